#!/bin/sh
# Makes, or brings up to date, the account with which the Response Network searches Elasticsearch: a role that may read
# the named indices and do nothing else, and a user or an API key that has it. Needs curl and nothing more.
set -eu
umask 077

usage() {
  cat <<'TEXT'
usage: make-reader.sh [options] --user NAME INDEX...
       make-reader.sh [options] --api-key NAME --out FILE INDEX...

Makes a role that may read the given indices, and a user or an API key with it. Run again, it brings all of it up to
date: indices that are no longer named can no longer be read.

  --url URL              where Elasticsearch is; default: the first address in ELASTICSEARCH_URL
  --ca FILE              the certificate of the authority that signed its own; default: ELASTICSEARCH_CA_FILE
  --admin NAME           who makes the account, with the privilege manage_security; default: elastic
  --admin-password-file FILE   that user's password; without it the password is asked for
  --role NAME            default: airlock-reader
  --user NAME            make a user; an existing one keeps the password unless a file is given
  --password-file FILE   the password that the user gets; without it a new user's is asked for
  --api-key NAME         make an API key instead, limited by the role's rights; an existing one is kept and updated
  --out FILE             where the new key is written, readable by you alone
  --expires TIME         when the new key ends, such as 365d; default: never
  --monitor              also permit looking at the cluster's health and version, which `check` shows
  --allow-patterns       accept * and ? in INDEX; then whatever index is made later with such a name can be read
  --dry-run              show the requests and send none
TEXT
}

fail() {
  printf 'make-reader.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

# --- what is asked for -------------------------------------------------------------------------------------------------

url=${ELASTICSEARCH_URL:-} ca=${ELASTICSEARCH_CA_FILE:-} admin=elastic role=airlock-reader
admin_file='' user='' password_file='' key='' out='' expires='' cluster='' patterns='' dry=''
while [ $# -gt 0 ]; do
  case $1 in
  --url | --ca | --admin | --admin-password-file | --role | --user | --password-file | --api-key | --out | --expires)
    [ $# -ge 2 ] && [ -n "$2" ] || fail "$1 needs a value; see --help" 2
    case $1 in
    --url) url=$2 ;;
    --ca) ca=$2 ;;
    --admin) admin=$2 ;;
    --admin-password-file) admin_file=$2 ;;
    --role) role=$2 ;;
    --user) user=$2 ;;
    --password-file) password_file=$2 ;;
    --api-key) key=$2 ;;
    --out) out=$2 ;;
    --expires) expires=$2 ;;
    esac
    shift 2
    ;;
  --monitor) cluster='"monitor"' && shift ;;
  --allow-patterns) patterns=yes && shift ;;
  --dry-run) dry=yes && shift ;;
  -h | --help) usage && exit 0 ;;
  --) shift && break ;;
  -*) fail "there is no option $1; see --help" 2 ;;
  *) break ;;
  esac
done
url=${url%%,*} url=${url%/}

check_name() { # what, name
  case $2 in
  '' | *[!A-Za-z0-9_.-]*) fail "$1 \"$2\" holds other characters than letters, digits and _ . -" 2 ;;
  esac
}

check_index() { # name; Elasticsearch's own rules, and no way to name more than one
  case $1 in
  *[*?]*) [ -n "$patterns" ] || fail "\"$1\" stands for many indices, also later ones; name each, or add --allow-patterns" 2 ;;
  esac
  case $1 in --*) fail "options stand before the indices; see --help" 2 ;; esac
  case $1 in
  '' | [-_+.]* | *..* | *[\\/\"\<\>\|\ ,#:%]* | *[[:cntrl:]]* | *[[:upper:]]*)
    fail "\"$1\" is no name of one index: name it exactly, in lower case, without commas, paths or a leading - _ + ." 2
    ;;
  esac
}

case $url in
http://*@* | https://*@*) fail "the URL holds a name or a password; give --admin and --admin-password-file" 2 ;;
http://?* | https://?*) ;;
*) fail "give --url https://host:9200" 2 ;;
esac
case $url in *[[:space:]\"\\]*) fail "the URL holds a blank or a quote" 2 ;; esac
[ $# -gt 0 ] || fail "name at least one index that may be read" 2
[ -n "$user$key" ] || fail "give --user NAME or --api-key NAME" 2
[ -z "$user" ] || [ -z "$key" ] || fail "give --user or --api-key, not both" 2
[ -z "$key" ] || [ -n "$out" ] || fail "give --out FILE, into which the new key is written" 2
[ -z "$ca" ] || [ -r "$ca" ] || fail "the file $ca cannot be read; name the authority's certificate in --ca" 2
check_name "the role" "$role"
check_name "the admin" "$admin"
[ -z "$user" ] || check_name "the user" "$user"
[ -z "$key" ] || check_name "the API key" "$key"
case $expires in *[!a-z0-9]*) fail "--expires takes a time such as 365d" 2 ;; esac
[ "$user" != "$admin" ] || fail "the user that is made must be another than the admin" 2
names=''
for index in "$@"; do
  check_index "$index"
  names="$names${names:+,}\"$index\""
done

# --- how Elasticsearch is asked ----------------------------------------------------------------------------------------

ask_secret() { # what; from the terminal, unseen
  # It is there to be read also where no terminal belongs to this session.
  (: </dev/tty) 2>/dev/null || fail "there is no terminal to ask for the password of $1; give it in a file, see --help" 2
  printf 'Password of %s: ' "$1" >/dev/tty
  trap 'stty echo </dev/tty; exit 130' INT TERM
  stty -echo </dev/tty
  IFS= read -r secret </dev/tty || secret=''
  stty echo </dev/tty
  trap - INT TERM
  printf '\n' >/dev/tty
}

read_secret() { # what, file
  if [ -n "$2" ]; then
    [ -r "$2" ] || fail "the file $2 cannot be read" 2
    secret=$(cat "$2")
  else
    ask_secret "$1"
  fi
  case $secret in
  '') fail "the password of $1 is empty" 2 ;;
  *[[:cntrl:]]*) fail "the password of $1 holds a line end or another control character" 2 ;;
  esac
}

escaped() { printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g'; }

# Sets `status` and `answer`. Secrets reach curl on standard input, since every user of the host sees arguments.
request() { # method, path, body
  if [ -n "$dry" ]; then
    printf '%s %s%s\n' "$1" "$url" "$2"
    [ -z "$3" ] || printf '  %s\n' "$3"
    status=404 answer=''
    return
  fi
  answer=$({
    printf 'url = "%s%s"\nrequest = "%s"\nuser = "%s"\n' "$url" "$2" "$1" "$(escaped "$admin:$admin_secret")"
    [ -z "$ca" ] || printf 'cacert = "%s"\n' "$(escaped "$ca")"
    [ -z "$3" ] || printf 'header = "content-type: application/json"\ndata-binary = "%s"\n' "$(escaped "$3")"
  } | curl --silent --show-error --max-time 30 --max-filesize 1000000 --write-out '\n%{http_code}' --config -) ||
    fail "Elasticsearch cannot be asked at $url; curl says why above. Check --url and --ca."
  status=${answer##*
}
  answer=${answer%
*}
}

refused() { # what was tried
  case $status in
  401) fail "Elasticsearch does not let $admin in; check --admin and the password" ;;
  403) fail "$admin may not $1; it needs the privilege manage_security" ;;
  esac
  fail "Elasticsearch refuses to $1 (status $status): $(printf '%s' "$answer" | cut -c1-500)"
}

send() { # what, method, path, body
  request "$2" "$3" "$4"
  [ -n "$dry" ] || [ "$status" -lt 300 ] || refused "$1"
}

# Whether there is one already; one that was not made here is left alone.
exists() { # what, name, path
  request GET "$3" ''
  [ "$status" != 404 ] || return 1
  [ "$status" = 200 ] || refused "look at $1 $2"
  case $answer in
  *'"made_by":"airlock"'*) return 0 ;;
  esac
  fail "there is $1 $2 that was not made by this script; give another name"
}

# --- role, then user or key ---------------------------------------------------------------------------------------------

admin_secret=''
if [ -z "$dry" ]; then
  read_secret "$admin" "$admin_file"
  admin_secret=$secret
fi
metadata='"metadata":{"made_by":"airlock"}'
rights="\"cluster\":[$cluster],\"indices\":[{\"names\":[$names],\"privileges\":[\"read\"]}]"

say() { # format, values; nothing was done in a dry run
  # shellcheck disable=SC2059 # The first is a format.
  [ -n "$dry" ] || printf "$@"
}

make_user() {
  role_state=created user_state=created given=yes password=''
  ! exists "a role" "$role" "/_security/role/$role" || role_state=updated
  if exists "a user" "$user" "/_security/user/$user"; then
    user_state='updated, with the password it had' given=$password_file
    [ -z "$given" ] || user_state='updated, with the password of the file'
  fi
  if [ -n "$dry" ]; then
    password='"password":"<not shown>",'
  elif [ -n "$given" ]; then
    read_secret "$user" "$password_file"
    password="\"password\":\"$(escaped "$secret")\","
  fi
  send "make the role" PUT "/_security/role/$role" "{$rights,$metadata}"
  say 'role %s: %s\n' "$role" "$role_state"
  send "make the user" PUT "/_security/user/$user" "{$password\"roles\":[\"$role\"],$metadata}"
  say 'user %s: %s\n' "$user" "$user_state"
}

make_key() {
  descriptors="\"role_descriptors\":{\"$role\":{$rights}}"
  request GET "/_security/api_key?name=$key&owner=true&active_only=true" ''
  [ "$status" = 200 ] || [ "$status" = 404 ] || refused "look at API keys"
  id=$(printf '%s' "$answer" | sed -n 's/.*"id":"\([A-Za-z0-9_-]*\)".*/\1/p')
  if [ -n "$id" ]; then
    case $answer in *'"made_by":"airlock"'*) ;; *) fail "there is an API key $key that was not made by this script" ;; esac
    send "update the API key" PUT "/_security/api_key/$id" "{$descriptors,$metadata}"
    say 'API key %s: updated; the key itself is the one that was written when it was made\n' "$key"
    return
  fi
  [ ! -e "$out" ] || [ -n "$dry" ] || fail "the file $out is there already; name another in --out" 2
  send "make the API key" POST /_security/api_key \
    "{\"name\":\"$key\",${expires:+\"expiration\":\"$expires\",}$descriptors,$metadata}"
  [ -n "$dry" ] || printf '%s' "$answer" | sed -n 's/.*"encoded":"\([^"]*\)".*/\1/p' >"$out"
  say 'API key %s: created, and written to %s\n' "$key" "$out"
}

if [ -n "$user" ]; then make_user; else make_key; fi
[ -z "$dry" ] || exit 0
for index in "$@"; do
  case $index in *[*?]*) continue ;; esac
  request GET "/_resolve/index/$index" ''
  [ "$status" != 404 ] || printf 'note: there is no index %s yet\n' "$index"
done

printf '\nSet on the Response Network:\nELASTICSEARCH_URL=%s\n' "$url"
[ -z "$ca" ] || printf 'ELASTICSEARCH_CA_FILE=%s\n' "$ca"
if [ -n "$user" ]; then
  printf 'ELASTICSEARCH_USERNAME=%s\n' "$user"
  printf 'ELASTICSEARCH_PASSWORD_FILE=%s\n' "${password_file:-<a file with the password, readable by the service alone>}"
else
  printf 'ELASTICSEARCH_API_KEY_FILE=%s\n' "$out"
fi

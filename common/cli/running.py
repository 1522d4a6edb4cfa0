"""Runs a service's processes: serve, worker and scheduler, each until SIGTERM."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
import uvloop

from common import logging
from common.jobs.broker import make_broker
from common.jobs.queue import BrokerJobQueue
from common.jobs.worker import register, run_scheduler, run_worker
from common.rpc.processes import own_process_number, run_processes, stop_signals
from common.rpc.server import build_server

if TYPE_CHECKING:
    from common.cli.service import App, Service, Settings

log = structlog.get_logger("service")

JOBS_BESIDE_QUERIES = 4
"""How many jobs a worker runs beside WORKER_COUNT queries, so that imports and exports do not wait for slow ones."""


def serve(service: Service[Settings, App], settings: Settings) -> None:
    """Serves: alone, or as the parent of SERVE_PROCESSES copies of itself, or as one of them."""
    number = own_process_number()
    logging.configure(settings, "serve" if number is None else f"serve-{number}")
    if number is None and settings.serve_processes > 1:
        asyncio.run(run_processes(settings.serve_processes, drain_seconds=settings.drain_seconds))
    else:
        asyncio.run(_serve(service, settings, number or 0))


async def _serve(service: Service[Settings, App], settings: Settings, number: int) -> None:
    stopping = stop_signals()
    app = await service.build_app(settings)
    try:
        listen = settings.listen_address(number)
        server = build_server(app.rpc_services, app.auth, listen, limits=app.limits, refusals=app.refusals)
        log.info("serving", listen=listen, process=number)
        await server.serve_until(stopping, settings.drain_seconds)
    finally:
        await app.close()
    log.info("stopped")


def work(service: Service[Settings, App], settings: Settings) -> None:
    """Runs the service's jobs as they are woken."""
    logging.configure(settings, "worker")
    # A sixth less processor time for an executed query than on the standard loop; for gRPC there was no difference.
    uvloop.run(_work(service, settings))


async def _work(service: Service[Settings, App], settings: Settings) -> None:
    stopping = stop_signals()
    app = await service.build_app(settings)
    try:
        jobs = service.jobs(settings)
        register(app.broker, jobs, app, app.database)
        for job in jobs:
            if job.at_start:
                await BrokerJobQueue(app.broker).wake(job.name)
        winding_down = asyncio.create_task(_wind_down(app, stopping))
        log.info("working", at_once=settings.worker_count + JOBS_BESIDE_QUERIES)
        await run_worker(
            app.broker,
            stopping=stopping,
            at_once=settings.worker_count + JOBS_BESIDE_QUERIES,
            drain_seconds=settings.drain_seconds,
        )
        await winding_down
    finally:
        await app.close()
    log.info("stopped")


async def _wind_down(app: App, stopping: asyncio.Event) -> None:
    await stopping.wait()
    app.wind_down()


def schedule(service: Service[Settings, App], settings: Settings) -> None:
    """Wakes the service's jobs when they are due."""
    logging.configure(settings, "scheduler")
    asyncio.run(_schedule(service, settings))


async def _schedule(service: Service[Settings, App], settings: Settings) -> None:
    stopping = stop_signals()
    broker = make_broker(settings)
    register(broker, service.jobs(settings), None, None)
    log.info("scheduling", jobs=len(service.jobs(settings)))
    try:
        await run_scheduler(broker, stopping=stopping)
    finally:
        await broker.shutdown()
    log.info("stopped")

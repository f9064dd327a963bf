"""The report of a running study, served on the loopback address. It reads the folder and writes nothing."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from analysis.pages.report import render
from analysis.statistics import load_study
from mi_tune.runtime.errors import InputError

ADDRESS = "127.0.0.1"
LOOK_EVERY = 0.5
"""Seconds between two looks at the folder."""
REST = 2.0
"""After a page was made, none is made for so many times the seconds that it took: the study needs the processor."""
KEEP_ALIVE = 15.0
"""Seconds after which a silent connection is written to, so that a browser that has gone is noticed."""


class LivePage:
    """The page of a study as its folder is now, made anew only when somebody asks and something has changed.

    Args:
        folder: of the study. include_images: as for `write_report`; None uses the study's own setting, so that no
            face of own data is shown unless asked for.

    Raises:
        InputError: the folder is no study.
    """

    def __init__(self, folder: Path, include_images: bool | None = None) -> None:
        self.folder, self.include_images = folder, include_images
        self._text, self._shown, self._rested = "", "", 0.0
        self._lock = asyncio.Lock()
        load_study(folder)

    @property
    def state(self) -> str:
        """A text that changes whenever the table or the description of the study has been written anew."""
        times = []
        for name in ("study.yaml", "trials.parquet"):
            path = self.folder / name
            times.append(str(path.stat().st_mtime_ns) if path.exists() else "-")
        return ".".join(times)

    async def text(self) -> str:
        """The HTML text of the page."""
        async with self._lock:
            if not self._text or (self.state != self._shown and time.monotonic() >= self._rested):
                begun = time.monotonic()
                try:
                    shown = self.state
                    self._text = await asyncio.to_thread(self._made, shown)
                    self._shown = shown
                except (InputError, OSError, ValueError):
                    if not self._text:
                        raise
                    # a file was being replaced: the page before is still good, and the next look comes soon
                self._rested = time.monotonic() + REST * (time.monotonic() - begun)
            return self._text

    @property
    def news(self) -> str:
        """The state that a page made now would show, once one may be made; before, the state shown last."""
        return self.state if time.monotonic() >= self._rested else self._shown

    def _made(self, shown: str) -> str:
        study = load_study(self.folder)
        images = self.include_images if self.include_images is not None else bool(study.config.get("images_allowed"))
        return render(study, images, live=shown)


def live_application(page: LivePage) -> web.Application:
    """The server of one page: `/`, and `/events`, which says when the page has changed.

    It answers only requests that name the loopback address, so that no site that the browser shows can read the page
    under a name of its own.
    """
    ending = asyncio.Event()

    @web.middleware
    async def only_loopback(request: web.Request, handler: Callable) -> web.StreamResponse:
        if request.host.rsplit(":", 1)[0] not in (ADDRESS, "localhost"):
            raise web.HTTPForbidden(text="This page is served on the loopback address only.")
        return await handler(request)

    async def whole(request: web.Request) -> web.Response:
        try:
            text = await page.text()
        except InputError as error:
            raise web.HTTPServiceUnavailable(text=str(error)) from error
        return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})

    async def icon(request: web.Request) -> web.Response:
        return web.Response(status=204)  # browsers ask for one

    async def events(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await answer.prepare(request)
        told, spoken = request.query.get("have", ""), time.monotonic()
        await answer.write(b"retry: 1000\n\n")
        while not ending.is_set():
            if (news := page.news) and news != told:
                told, spoken = news, time.monotonic()
                await answer.write(f"data: {news}\n\n".encode())
            elif time.monotonic() - spoken > KEEP_ALIVE:
                spoken = time.monotonic()
                await answer.write(b": still here\n\n")
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), LOOK_EVERY)
        return answer

    async def end(_: web.Application) -> None:
        ending.set()

    application = web.Application(middlewares=[only_loopback])
    application.add_routes([web.get("/", whole), web.get("/favicon.ico", icon), web.get("/events", events)])
    application.on_shutdown.append(end)
    return application


def serve(folder: Path, port: int | None, include_images: bool | None, ready: Callable[[str], None]) -> None:
    """Serve the page of a study until Ctrl-C.

    Args:
        port: on the loopback address; None: any free one. ready: is called with the address once it answers.

    Raises:
        InputError: the folder is no study, or the port cannot be used.
    """
    asyncio.run(_serve(folder, port, include_images, ready))


async def _serve(folder: Path, port: int | None, include_images: bool | None, ready: Callable[[str], None]) -> None:
    runner = web.AppRunner(live_application(LivePage(folder, include_images)), shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, ADDRESS, port or 0)
        try:
            await site.start()
        except OSError as error:
            raise InputError(
                f"--port {port}: cannot be used ({error.strerror}); leave it out for a free one"
            ) from error
        stopped = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stopped.set)
        ready(f"http://{ADDRESS}:{runner.addresses[0][1]}/")
        await stopped.wait()
    finally:
        await runner.cleanup()

"""Plays the start script of the linuxserver image: the real qBittorrent, its files below /config,
and a listening port of the image's own at each start."""

from __future__ import annotations

import os

os.environ |= {"HOME": "/config", "XDG_CONFIG_HOME": "/config", "XDG_DATA_HOME": "/config"}
webui_port = os.environ.get("WEBUI_PORT", "8080")
torrenting_port = os.environ.get("TORRENTING_PORT", "6881")
os.execvp(
    "qbittorrent-nox",
    ["qbittorrent-nox", f"--webui-port={webui_port}", f"--torrenting-port={torrenting_port}"],
)

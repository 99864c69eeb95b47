/* check_qbittorrent: the hops of a check to qBittorrent, and what is set there. */
#ifndef QSTICKY_CHECK_QBITTORRENT_H
#define QSTICKY_CHECK_QBITTORRENT_H

#include "check/walk.h"

/* In their order, after those of check_here that find port and tunnel; `walk->qbittorrent` has begun a
 * cycle. */
check_hop check_name;
check_hop check_connection;
check_hop check_tls;
check_hop check_qbittorrent;
check_hop check_login;
check_hop check_version;
check_hop check_settings;
check_hop check_port;
check_hop check_probe;

#endif

/* check_here: the hops of a check on this side: what qsticky itself reads, writes and may do. */
#ifndef QSTICKY_CHECK_HERE_H
#define QSTICKY_CHECK_HERE_H

#include "check/walk.h"

/* Opens the health file: before any right is given up, since it may be another user's. */
void check_open_beside(struct check_walk *walk);

/* Looks whether a sidecar has been writing it: before anything else. */
void check_look_beside(struct check_walk *walk);

/* In their order. The last two may come at any time. */
check_hop check_configuration;
check_hop check_sandbox;
check_hop check_port_file;
check_hop check_control_server;
check_hop check_tunnel;
check_hop check_health;
check_hop check_webhook;

#endif

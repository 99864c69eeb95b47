/* status: the command that shows the health file to a person. */
#ifndef QSTICKY_CHECK_STATUS_H
#define QSTICKY_CHECK_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "config/config.h"

/* Prints the health file on stdout, as aligned lines with the verdict first. `json`: prints the
 * file unchanged, and on stderr why it is unhealthy, if it is. `health` is the result of
 * health_open(); `now` is in seconds since 1970. Prints nothing of a file that is not qsticky's.
 * Returns whether the file is healthy, as health_judge() does. */
bool status_show(const struct config *config, int health, time_t now, bool json);

#endif

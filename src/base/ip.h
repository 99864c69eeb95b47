/* ip: Internet addresses as people write them. */
#ifndef QSTICKY_BASE_IP_H
#define QSTICKY_BASE_IP_H

#include <stddef.h>

/* Bytes of the longest address. */
#define IP_MAX 16

/* Reads an address as inet_pton(3) does, in a third of its code. Ignores a zone after an IPv6
 * address ("%eth0"). Returns the length of `ip` (network order): 4, 16, or 0 for no address. */
size_t ip_parse(unsigned char ip[static IP_MAX], const char *text);

#endif

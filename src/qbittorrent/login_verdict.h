/* login_verdict: the result of a login. A header of its own, since the login budget counts
 * results. */
#ifndef QSTICKY_QBITTORRENT_LOGIN_VERDICT_H
#define QSTICKY_QBITTORRENT_LOGIN_VERDICT_H

enum qbittorrent_login {
	QBITTORRENT_LOGIN_NONE, /* no login was sent */
	QBITTORRENT_LOGIN_ACCEPTED,
	QBITTORRENT_LOGIN_REJECTED,   /* qBittorrent counts it, and bans after five */
	QBITTORRENT_LOGIN_BANNED,     /* this address is banned; qBittorrent does not count it */
	QBITTORRENT_LOGIN_UNANSWERED, /* sent, but no result came: it may have been counted */
};

#endif

/* login_verdict: what became of a login. In a header of its own, for the budget that counts them. */
#ifndef QSTICKY_QBITTORRENT_LOGIN_VERDICT_H
#define QSTICKY_QBITTORRENT_LOGIN_VERDICT_H

enum qbittorrent_login {
	QBITTORRENT_LOGIN_NONE, /* none was sent */
	QBITTORRENT_LOGIN_ACCEPTED,
	QBITTORRENT_LOGIN_REJECTED,   /* counted by qBittorrent, which bans after five */
	QBITTORRENT_LOGIN_BANNED,     /* this address may not log in at all: not counted */
	QBITTORRENT_LOGIN_UNANSWERED, /* sent, and no verdict came: it may have been counted */
};

#endif

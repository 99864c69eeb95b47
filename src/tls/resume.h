/* tls_resume: the session of last time, which is taken up again while its server could still be
 * verified as it was then.
 *
 * A part of tls. Parameters of a session are as secret as what they protect: no copy is left behind. */
#ifndef QSTICKY_TLS_RESUME_H
#define QSTICKY_TLS_RESUME_H

#include <bearssl.h>
#include <stdbool.h>

#include "config/config.h"
#include "tls/session.h"
#include "tls/verify.h"

/* Wipes what is remembered. */
void tls_resume_forget(struct tls_session *session);

/* Has the engine offer the session to a server that is to be verified as `config` says; returns whether
 * there is one. One that does not hold any more is forgotten. */
bool tls_resume_offer(struct tls_session *session, const struct config *config,
                      br_ssl_engine_context *engine);

/* Remembers the session of `engine`, whose server `verify` has accepted, in the place of any other;
 * none where the server has named none. */
void tls_resume_keep(struct tls_session *session, const struct tls_verify *verify,
                     const br_ssl_engine_context *engine);

#endif

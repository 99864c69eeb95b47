#include "tls/resume.h"

#include <assert.h>
#include <string.h>

#include "base/mono.h"
#include "base/now.h"

static_assert(sizeof(br_ssl_session_parameters) <= TLS_SESSION_BYTES, "no room for a session");

void tls_resume_forget(struct tls_session *session)
{
	explicit_bzero(session, sizeof *session);
}

/* Whether the server could still be verified as it was then. */
static bool holds(const struct tls_session *session, const struct config *config)
{
	struct file_version now;

	if (!session->known || mono_now_ms() - session->verified_ms >= TLS_SESSION_MS ||
	    (session->not_after && now_s() > session->not_after))
		return false;
	if (config->tls_pin_count > 0 || !config->verify_ssl)
		return true;
	now = file_version_now(config->tls_ca_file);
	return file_version_same(&now, &session->file);
}

bool tls_resume_offer(struct tls_session *session, const struct config *config,
                      br_ssl_engine_context *engine)
{
	br_ssl_session_parameters parameters;

	if (!holds(session, config)) {
		tls_resume_forget(session);
		return false;
	}
	memcpy(&parameters, session->parameters, sizeof parameters);
	br_ssl_engine_set_session_parameters(engine, &parameters);
	explicit_bzero(&parameters, sizeof parameters);
	return true;
}

void tls_resume_keep(struct tls_session *session, const struct tls_verify *verify,
                     const br_ssl_engine_context *engine)
{
	br_ssl_session_parameters parameters;

	tls_resume_forget(session);
	br_ssl_engine_get_session_parameters(engine, &parameters);
	if (parameters.session_id_len > 0) {
		session->known = true;
		session->verified_ms = mono_now_ms();
		session->not_after = verify->not_after;
		session->file = verify->file;
		memcpy(session->parameters, &parameters, sizeof parameters);
	}
	explicit_bzero(&parameters, sizeof parameters);
}

#include "sidecar/step.h"

#include <stdarg.h>
#include <stdint.h>

#include "base/text.h"

enum fail step_found(struct step *step, unsigned verdict, const char *fix, const char *format, ...)
{
	struct text text = text_on(step->seen.text, sizeof step->seen.text);
	va_list args;

	va_start(args, format);
	text_vprintf(&text, format, args);
	va_end(args);
	step->verdict = (enum verdict)(verdict & UINT8_MAX);
	step->seen.word = (unsigned char)(verdict >> 8);
	step->fix = fix;
	return FAIL_NONE;
}

void step_append(struct step *step, const char *format, ...)
{
	struct text text = text_at_end(step->seen.text, sizeof step->seen.text);
	va_list args;

	va_start(args, format);
	text_vprintf(&text, format, args);
	va_end(args);
}

enum fail step_failed(struct step *step, enum fail f, const char *fix)
{
	step->verdict = VERDICT_FAIL;
	step->fix = fix;
	return f;
}

enum fail step_unanswered(struct step *step, enum fail f)
{
	static const char *const fixes[] = {
		[FAIL_IO] = "let it be there, and open to this user",
		[FAIL_RESOLVE] =
			"QSTICKY_QBITTORRENT_HOST: localhost, or the service's name, or an address",
		[FAIL_REFUSED] = "start qBittorrent, or correct QSTICKY_QBITTORRENT_HOST and _PORT",
		[FAIL_TIMEOUT] =
			"restart it if it hangs; the sidecar waits up to 60 s, and check too if it runs. Is there a firewall?",
		[FAIL_REJECTED] = "then re-create this container; a changed file is read by itself",
		[FAIL_HELD_BACK] = "is qBittorrent slow, or a proxy in between? Then wait",
		[FAIL_BANNED] = "correct user and password, then restart qBittorrent",
		[FAIL_UNTRUSTED] = "compare it with what your browser shows, then set that pin",
		[FAIL_SECRET] = "correct that file: one line of UTF-8, open to this user",
	};
	const char *fix = f < sizeof fixes / sizeof fixes[0] ? fixes[f] : NULL;

	return step_failed(
		step, f, fix ? fix : "correct QSTICKY_QBITTORRENT_HOST, _PORT, QSTICKY_USE_HTTPS");
}

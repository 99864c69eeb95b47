#include "config/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "config/table.h"

/* The complaints, one a line. */
static char complaints[4096];

static void complain(void *context, const char *sentence)
{
	struct text *text = context;

	text_printf(text, "%s\n", sentence);
}

/* Loads `count` variables, borrowed, and returns how many are wrong. */
static size_t load(struct config *config, char *const environment[])
{
	struct text text = text_on(complaints, sizeof complaints);

	return config_load(config, environment, complain, &text);
}

/* Loads a single variable. */
static size_t load_one(struct config *config, const char *variable)
{
	static char copy[8192];
	char *environment[] = { copy, NULL };

	assert_true(strlen(variable) < sizeof copy);
	memcpy(copy, variable, strlen(variable) + 1);
	return load(config, environment);
}

static void assert_allowed(const char *variable)
{
	struct config config;

	if (load_one(&config, variable))
		fail_msg("%s", complaints);
	assert_string_equal(complaints, "");
}

/* One complaint names the variable and what it takes. */
static void assert_wrong(const char *variable)
{
	struct config config;

	if (load_one(&config, variable) != 1)
		fail_msg("%s was taken", variable);
	assert_memory_equal(complaints, variable, strcspn(variable, "="));
	assert_ptr_equal(strchr(complaints, '\n'), complaints + strlen(complaints) - 1);
}

static void assert_defaults(const struct config *config)
{
	assert_string_equal(config->host, "localhost");
	assert_int_equal(config->port, 8080);
	assert_string_equal(config->user.value, "admin");
	assert_string_equal(config->pass.value, "adminadmin");
	assert_string_equal(config->port_file_path, "/tmp/gluetun/forwarded_port");
	assert_string_equal(config->health_path, "/tmp/health/status.json");
	assert_int_equal(config->interval_s, 30);
	assert_int_equal(config->no_port_grace_s, 120);
	assert_int_equal(config->log_level, LEVEL_INFO);
	assert_int_equal(config->log_format, FORMAT_TEXT);
	assert_string_equal(config->vpn_interface, "");
	assert_true(config->rebind);
	assert_false(config->bind_interface || config->reannounce || config->orphan_shutdown);
}

static void config_has_the_documented_defaults(void **state)
{
	char *environment[] = { NULL };
	struct config config;
	(void)state;

	assert_int_equal(load(&config, environment), 0);
	assert_defaults(&config);
}

static void config_reads_every_variable(void **state)
{
	char *environment[] = { strdup("QSTICKY_QBITTORRENT_HOST=qbittorrent"),
		                strdup("QSTICKY_QBITTORRENT_PORT=9090"),
		                strdup("QSTICKY_QBITTORRENT_USER=me"),
		                strdup("QSTICKY_QBITTORRENT_PASS=it=mine"),
		                strdup("QSTICKY_PORT_FILE_PATH=/a"),
		                strdup("QSTICKY_CHECK_INTERVAL=1"),
		                strdup("QSTICKY_LOG_LEVEL=error"),
		                strdup("QSTICKY_LOG_FORMAT=JSON"),
		                strdup("QSTICKY_NO_PORT_GRACE=0"),
		                strdup("HEALTH_FILE=/b/c"),
		                NULL };
	struct config config;
	(void)state;

	assert_int_equal(load(&config, environment), 0);
	assert_string_equal(config.host, "qbittorrent");
	assert_int_equal(config.port, 9090);
	assert_string_equal(config.user.value, "me");
	assert_string_equal(config.pass.value, "it=mine");
	assert_string_equal(config.port_file_path, "/a");
	assert_string_equal(config.health_path, "/b/c");
	assert_int_equal(config.interval_s, 1);
	assert_int_equal(config.no_port_grace_s, 0);
	assert_int_equal(config.log_level, LEVEL_ERROR);
	assert_int_equal(config.log_format, FORMAT_JSON);
	for (size_t i = 0; environment[i]; i++)
		free(environment[i]);
}

static void config_takes_a_secret_from_a_variable_or_a_file(void **state)
{
	struct config config;
	(void)state;

	assert_int_equal(load_one(&config, "QSTICKY_QBITTORRENT_PASS=a"), 0);
	assert_null(config.pass.file);
	assert_null(config.pass.usual_file);
	assert_string_equal(config.pass.name, "QSTICKY_QBITTORRENT_PASS");
	assert_string_equal(config.user.usual_file, "/run/secrets/qbittorrent_user");
	assert_int_equal(load_one(&config, "QBITTORRENT_PASS=a"), 0);
	assert_string_equal(config.pass.name, "QBITTORRENT_PASS");
	assert_string_equal(config.user.name, "QSTICKY_QBITTORRENT_USER");
	assert_int_equal(load_one(&config, "QSTICKY_QBITTORRENT_PASS_FILE=/a"), 0);
	assert_string_equal(config.pass.file, "/a");
	assert_string_equal(config.pass.name, "QSTICKY_QBITTORRENT_PASS");
	assert_null(config.pass.usual_file);
	assert_int_equal(load_one(&config, "QSTICKY_QBITTORRENT_PASS="), 0);
	assert_null(config.pass.file);
	assert_string_equal(config.pass.usual_file, "/run/secrets/qbittorrent_pass");
}

static void config_refuses_a_secret_from_both(void **state)
{
	char user[] = "QSTICKY_QBITTORRENT_USER=hush", file[] = "QSTICKY_QBITTORRENT_USER_FILE=/a";
	char *environment[] = { user, file, NULL };
	struct config config;
	(void)state;

	assert_int_equal(load(&config, environment), 1);
	assert_non_null(strstr(complaints, "QSTICKY_QBITTORRENT_USER_FILE: not allowed beside"));
	assert_null(strstr(complaints, "hush"));
}

static void config_takes_empty_for_unset(void **state)
{
	struct config config;
	(void)state;

	assert_int_equal(load_one(&config, "QSTICKY_QBITTORRENT_PORT="), 0);
	assert_int_equal(load_one(&config, "QSTICKY_QBITTORRENT_PASS="), 0);
	assert_defaults(&config);
}

static void config_takes_a_variable_by_its_whole_name(void **state)
{
	struct config config;
	(void)state;

	assert_int_equal(load_one(&config, "QSTICKY_QBITTORRENT_PORTS=x"), 0);
	assert_int_equal(load_one(&config, "QSTICKY_QBITTORRENT_POR=x"), 0);
	assert_int_equal(load_one(&config, "QSTICKY_QBITTORRENT_PORT"), 0);
	assert_defaults(&config);
}

static void config_tells_of_all_that_is_wrong_together(void **state)
{
	char port[] = "QSTICKY_QBITTORRENT_PORT=70000", interval[] = "QSTICKY_CHECK_INTERVAL=0",
	     level[] = "QSTICKY_LOG_LEVEL=LOUD";
	char *environment[] = { port, interval, level, NULL };
	struct config config;
	(void)state;

	assert_int_equal(load(&config, environment), 3);
	assert_non_null(
		strstr(complaints, "QSTICKY_QBITTORRENT_PORT: a number (5 bytes) is not allowed"));
	assert_non_null(
		strstr(complaints, "QSTICKY_CHECK_INTERVAL: a number (1 byte) is not allowed"));
	assert_non_null(strstr(complaints, "QSTICKY_LOG_LEVEL: text (4 bytes) is not allowed"));
	assert_defaults(&config);
}

static void config_says_what_is_allowed(void **state)
{
	struct config config;
	(void)state;

	load_one(&config, "QSTICKY_QBITTORRENT_PORT=x");
	assert_non_null(strstr(complaints, "1 to 65535"));
}

static void config_takes_names_and_addresses_for_a_host(void **state)
{
	(void)state;

	assert_allowed("QSTICKY_QBITTORRENT_HOST=qbittorrent");
	assert_allowed("QSTICKY_QBITTORRENT_HOST=my_box-1.example.org");
	assert_allowed("QSTICKY_QBITTORRENT_HOST=127.0.0.1");
	assert_allowed("QSTICKY_QBITTORRENT_HOST=::1");
	assert_allowed("QSTICKY_QBITTORRENT_HOST=[::1]");
	assert_allowed("QSTICKY_QBITTORRENT_HOST=fe80::1%eth0");
}

static void config_drops_the_brackets_of_an_address(void **state)
{
	struct config config;
	(void)state;

	load_one(&config, "QSTICKY_QBITTORRENT_HOST=[fd00::2]");
	assert_string_equal(config.host, "fd00::2");
}

static void config_refuses_urls_and_ports_for_a_host(void **state)
{
	(void)state;

	assert_wrong("QSTICKY_QBITTORRENT_HOST=http://qbittorrent");
	assert_wrong("QSTICKY_QBITTORRENT_HOST=qbittorrent:8080");
	assert_wrong("QSTICKY_QBITTORRENT_HOST=[::1]:8080");
	assert_wrong("QSTICKY_QBITTORRENT_HOST=[qbittorrent]");
	assert_wrong("QSTICKY_QBITTORRENT_HOST=[]");
	assert_wrong("QSTICKY_QBITTORRENT_HOST=a b");
	assert_wrong("QSTICKY_QBITTORRENT_HOST=.");
	assert_wrong("QSTICKY_QBITTORRENT_HOST=a..b");
	assert_wrong("QSTICKY_TLS_SERVER_NAME=.");
	assert_wrong("QSTICKY_QBITTORRENT_HOST=a/b");
	assert_wrong("QSTICKY_QBITTORRENT_HOST=a\tb");
}

static void config_takes_a_host_name_of_255_bytes_and_no_more(void **state)
{
	char variable[512];
	size_t name;
	(void)state;

	name = (size_t)snprintf(variable, sizeof variable, "QSTICKY_QBITTORRENT_HOST=");
	memset(variable + name, 'a', LIMITS_HOST_MAX);
	variable[name + LIMITS_HOST_MAX - 1] = '\0';
	assert_allowed(variable);
	variable[name + LIMITS_HOST_MAX - 1] = 'a';
	variable[name + LIMITS_HOST_MAX] = '\0';
	assert_wrong(variable);
}

static void config_takes_ports_from_1_to_65535(void **state)
{
	(void)state;

	assert_allowed("QSTICKY_QBITTORRENT_PORT=1");
	assert_allowed("QSTICKY_QBITTORRENT_PORT=65535");
	assert_wrong("QSTICKY_QBITTORRENT_PORT=0");
	assert_wrong("QSTICKY_QBITTORRENT_PORT=65536");
	assert_wrong("QSTICKY_QBITTORRENT_PORT=4294967376");
	assert_wrong("QSTICKY_QBITTORRENT_PORT=-1");
	assert_wrong("QSTICKY_QBITTORRENT_PORT=+80");
	assert_wrong("QSTICKY_QBITTORRENT_PORT=8 0");
	assert_wrong("QSTICKY_QBITTORRENT_PORT=0x50");
}

static void config_takes_a_port_index_from_1(void **state)
{
	(void)state;

	assert_allowed("QSTICKY_PORT_INDEX=1");
	assert_allowed("QSTICKY_PORT_INDEX=128");
	assert_wrong("QSTICKY_PORT_INDEX=0");
	assert_wrong("QSTICKY_PORT_INDEX=129");
	assert_wrong("QSTICKY_PORT_INDEX=first");
}

static void config_takes_seconds_up_to_a_day(void **state)
{
	(void)state;

	assert_allowed("QSTICKY_CHECK_INTERVAL=1");
	assert_allowed("QSTICKY_CHECK_INTERVAL=86400");
	assert_wrong("QSTICKY_CHECK_INTERVAL=0");
	assert_wrong("QSTICKY_CHECK_INTERVAL=86401");
	assert_wrong("QSTICKY_CHECK_INTERVAL=1.5");
	assert_wrong("QSTICKY_CHECK_INTERVAL=30s");
	assert_allowed("QSTICKY_NO_PORT_GRACE=0");
	assert_allowed("QSTICKY_NO_PORT_GRACE=86400");
	assert_wrong("QSTICKY_NO_PORT_GRACE=86401");
	assert_wrong("QSTICKY_NO_PORT_GRACE=-1");
}

static void config_takes_log_levels_in_any_case(void **state)
{
	static const struct {
		const char *variable;
		enum log_level level;
	} levels[] = {
		{ "QSTICKY_LOG_LEVEL=debug", LEVEL_DEBUG },
		{ "QSTICKY_LOG_LEVEL=Info", LEVEL_INFO },
		{ "QSTICKY_LOG_LEVEL=WARNING", LEVEL_WARN },
		{ "QSTICKY_LOG_LEVEL=warn", LEVEL_WARN },
		{ "QSTICKY_LOG_LEVEL=ERROR", LEVEL_ERROR },
	};
	(void)state;

	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
		struct config config;

		assert_int_equal(load_one(&config, levels[i].variable), 0);
		assert_int_equal(config.log_level, levels[i].level);
	}
	assert_wrong("QSTICKY_LOG_LEVEL=1");
	assert_wrong("QSTICKY_LOG_FORMAT=xml");
}

static void config_takes_absolute_paths_of_files(void **state)
{
	(void)state;

	assert_wrong("QSTICKY_PORT_FILE_PATH=forwarded_port");
	assert_wrong("QSTICKY_PORT_FILE_PATH=/tmp/gluetun/");
	assert_wrong("QSTICKY_PORT_FILE_PATH=/");
	assert_wrong("HEALTH_FILE=./status.json");
	assert_allowed("HEALTH_FILE=/s");
}

static void config_takes_paths_under_4000_bytes(void **state)
{
	char variable[LIMITS_PATH_MAX + 64];
	size_t name;
	(void)state;

	name = (size_t)snprintf(variable, sizeof variable, "HEALTH_FILE=/");
	memset(variable + name, 'a', LIMITS_PATH_MAX);
	variable[name + LIMITS_PATH_MAX - 2] = '\0';
	assert_allowed(variable);
	variable[name + LIMITS_PATH_MAX - 2] = 'a';
	variable[name + LIMITS_PATH_MAX - 1] = '\0';
	assert_wrong(variable);
}

static void config_takes_secrets_of_4096_bytes_and_never_shows_them(void **state)
{
	static const char *const names[] = { "QSTICKY_QBITTORRENT_USER=",
		                             "QSTICKY_QBITTORRENT_PASS=" };
	char variable[SECRET_MAX + 64];
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		size_t name = (size_t)snprintf(variable, sizeof variable, "%s", names[i]);

		memset(variable + name, 's', SECRET_MAX + 1);
		variable[name + SECRET_MAX] = '\0';
		assert_allowed(variable);
		variable[name + SECRET_MAX] = 's';
		variable[name + SECRET_MAX + 1] = '\0';
		assert_wrong(variable);
		assert_null(strstr(complaints, "ssss"));
	}
}

static void config_takes_names_of_network_interfaces(void **state)
{
	struct config config;
	(void)state;

	assert_allowed("QSTICKY_VPN_INTERFACE=wg0");
	assert_allowed("QSTICKY_VPN_INTERFACE=eth0.100");
	assert_allowed("QSTICKY_VPN_INTERFACE=a-b_c@D");
	assert_int_equal(load_one(&config, "QSTICKY_VPN_INTERFACE=0123456789abcde"), 0);
	assert_string_equal(config.vpn_interface, "0123456789abcde");
	assert_wrong("QSTICKY_VPN_INTERFACE=0123456789abcdef");
	assert_wrong("QSTICKY_VPN_INTERFACE=tun 0");
	assert_wrong("QSTICKY_VPN_INTERFACE=tun0/x");
	assert_wrong("QSTICKY_VPN_INTERFACE=tun0\"");
	assert_wrong("QSTICKY_VPN_INTERFACE=tun0\\");
	assert_wrong("QSTICKY_VPN_INTERFACE=tun0:1");
	assert_wrong("QSTICKY_VPN_INTERFACE=t\xc3\xbcn0");
}

/* Editors, shells and docker run --env-file leave these, and none of them can be meant. */
static void config_drops_what_cannot_be_part_of_a_value(void **state)
{
	struct config config;
	(void)state;

	assert_allowed("QSTICKY_REBIND=\"true\"\r");
	assert_allowed("QSTICKY_REBIND=\xef\xbb\xbf'no' ");
	assert_int_equal(load_one(&config, "QSTICKY_QBITTORRENT_PORT= 8081\r\n"), 0);
	assert_int_equal(config.port, 8081);
	assert_int_equal(load_one(&config, "QSTICKY_QBITTORRENT_HOST=\"box\""), 0);
	assert_string_equal(config.host, "box");
	assert_int_equal(load_one(&config, "QBITTORRENT_HOST='box'\r"), 0);
	assert_string_equal(config.host, "box");
	assert_int_equal(load_one(&config, "HEALTH_FILE='/a b'\r"), 0);
	assert_string_equal(config.health_path, "/a b");
	assert_int_equal(load_one(&config, "QSTICKY_QBITTORRENT_PASS_FILE=\"/a\"\r"), 0);
	assert_string_equal(config.pass.file, "/a");
	assert_int_equal(load_one(&config, "QSTICKY_WEBHOOK_URL=\"https://a/b\"\r"), 0);
	assert_string_equal(config.webhook_url.value, "https://a/b");
	assert_int_equal(load_one(&config, "QSTICKY_QBITTORRENT_API_KEY='qbt_k' \r"), 0);
	assert_string_equal(config.api_key.value, "qbt_k");
	assert_int_equal(load_one(&config, "QSTICKY_VPN_INTERFACE=\"\""), 0);
	assert_string_equal(config.vpn_interface, "");
	assert_wrong("QSTICKY_REBIND=\"true");
	assert_wrong("QSTICKY_REBIND=\"true'");
}

/* Once to count what is wrong, and once more to tell it. */
static void config_is_the_same_when_it_is_read_again(void **state)
{
	char port[] = "QSTICKY_QBITTORRENT_PORT= \xef\xbb\xbf\"\xef\xbb\xbf\xef\xbb\xbf 8081\"";
	char pass[] = "QSTICKY_QBITTORRENT_PASS=\r\xef\xbb\xbf\n\xef\xbb\xbf it's\r";
	char *const environment[] = { port, pass, NULL };
	struct config config;
	(void)state;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(load(&config, environment), 0);
		assert_int_equal(config.port, 8081);
		assert_string_equal(config.pass.value, " it's");
	}
}

static void config_drops_from_a_password_only_what_no_form_takes(void **state)
{
	struct config config;
	(void)state;

	assert_int_equal(load_one(&config, "QSTICKY_QBITTORRENT_PASS=\xef\xbb\xbf\" it's \"\r\n"),
	                 0);
	assert_string_equal(config.pass.value, "\" it's \"");
	assert_false(config.pass.is_default);
	assert_int_equal(load_one(&config, "QSTICKY_QBITTORRENT_PASS=\r"), 0);
	assert_string_equal(config.pass.value, "adminadmin");
	assert_true(config.pass.is_default);
	assert_wrong("QSTICKY_QBITTORRENT_PASS=two\nlines");
	assert_wrong("QSTICKY_GLUETUN_APIKEY=two\rlines");
}

static void assert_advises(const char *variable, const char *advice)
{
	assert_wrong(variable);
	assert_non_null(strchr(complaints, ';'));
	assert_string_equal(strchr(complaints, ';'), advice);
}

static void config_says_where_the_parts_of_a_url_go(void **state)
{
#define TAKES "; it takes a host name or an IP address, without http:// and without a port"
#define PATH "; a path goes nowhere: name the program's own host and port, not a proxy's"
	(void)state;

	assert_advises("QSTICKY_QBITTORRENT_HOST=http://box:8080/",
	               TAKES "; the port goes into QSTICKY_QBITTORRENT_PORT\n");
	assert_advises("QSTICKY_QBITTORRENT_HOST=box:8080",
	               TAKES "; the port goes into QSTICKY_QBITTORRENT_PORT\n");
	assert_advises("QSTICKY_QBITTORRENT_HOST=[::1]:8080",
	               TAKES "; the port goes into QSTICKY_QBITTORRENT_PORT\n");
	assert_advises("QSTICKY_QBITTORRENT_HOST=box/qbt", TAKES PATH "\n");
	assert_advises("QSTICKY_QBITTORRENT_HOST=https://box/qbt",
	               TAKES "; for https://, set QSTICKY_USE_HTTPS=true" PATH "\n");
	assert_advises("QSTICKY_GLUETUN_HOST=HTTPS://box:8000",
	               TAKES "; the port goes into QSTICKY_GLUETUN_PORT"
	                     "; for https://, set QSTICKY_GLUETUN_USE_HTTPS=true\n");
	assert_advises("QSTICKY_QBITTORRENT_HOST=a b", TAKES "\n");
	assert_advises("QSTICKY_TLS_SERVER_NAME=box:1/2", TAKES "\n");
#undef TAKES
#undef PATH
}

/* An empty field of a template is none that was filled in. */
static void config_takes_an_empty_interface_for_unset(void **state)
{
	struct config config;
	(void)state;

	assert_int_equal(load_one(&config, "QSTICKY_VPN_INTERFACE="), 0);
	assert_string_equal(config.vpn_interface, "");
	assert_string_equal(complaints, "");
	assert_int_equal(load_one(&config, "QSTICKY_VPN_INTERFACE=none"), 0);
	assert_string_equal(config.vpn_interface, "none");
}

static void config_falls_back_on_the_default_for_a_wrong_interface(void **state)
{
	struct config config;
	(void)state;

	assert_int_equal(load_one(&config, "QSTICKY_VPN_INTERFACE=not one"), 1);
	assert_string_equal(config.vpn_interface, "");
}

static void config_switches_what_is_done_about_reach(void **state)
{
	char bind[] = "QSTICKY_BIND_INTERFACE=true", silent[] = "QSTICKY_REANNOUNCE=false";
	char *quiet[] = { bind, silent, NULL };
	struct config config;
	(void)state;

	assert_int_equal(load_one(&config, "QSTICKY_REBIND=off"), 0);
	assert_false(config.rebind || config.bind_interface || config.reannounce);
	assert_int_equal(load_one(&config, "QSTICKY_BIND_INTERFACE=Yes"), 0);
	assert_true(config.rebind && config.bind_interface && config.reannounce);
	assert_int_equal(load(&config, quiet), 0);
	assert_true(config.bind_interface && !config.reannounce);
	assert_int_equal(load_one(&config, "QSTICKY_REANNOUNCE=1"), 0);
	assert_true(config.rebind && !config.bind_interface && config.reannounce);
	assert_int_equal(load_one(&config, "QSTICKY_ORPHAN_SHUTDOWN=true"), 0);
	assert_true(config.orphan_shutdown && !config.reannounce);
	assert_int_equal(load_one(&config, "QSTICKY_REBIND="), 0);
	assert_true(config.rebind);
	assert_wrong("QSTICKY_REBIND=maybe");
	assert_wrong("QSTICKY_BIND_INTERFACE=tun0");
	assert_wrong("QSTICKY_REANNOUNCE=2");
	assert_wrong("QSTICKY_ORPHAN_SHUTDOWN=3");
}

static void config_tells_of_unknown_variables(void **state)
{
	char misspelt[] = "QSTICKY_QBITTORENT_HOST=x", known[] = "QSTICKY_LOG_LEVEL=INFO",
	     foreign[] = "PATH=/bin", bare[] = "QSTICKY_";
	char *environment[] = { misspelt, known, foreign, bare, NULL };
	struct text text = text_on(complaints, sizeof complaints);
	(void)state;

	config_ignored(environment, complain, &text);
	assert_non_null(strstr(complaints, "QSTICKY_QBITTORENT_HOST: "));
	assert_non_null(strstr(complaints, "QSTICKY_: "));
	assert_null(strstr(complaints, "LOG_LEVEL"));
	assert_null(strstr(complaints, "PATH"));
}

/* Everybody may have a variable of such a name. */
static void config_ignores_a_value_of_2_x_that_does_not_fit(void **state)
{
	char interval[] = "CHECK_INTERVAL=soon", level[] = "LOG_LEVEL=loud",
	     port[] = "QBITTORRENT_PORT=70000", type[] = "GLUETUN_AUTH_TYPE=key",
	     key[] = "GLUETUN_APIKEY=k", fits[] = "GLUETUN_PORT=8001";
	char *environment[] = { interval, level, port, type, key, fits, NULL };
	struct config config;
	struct text text = text_on(complaints, sizeof complaints);
	(void)state;

	assert_int_equal(load(&config, environment), 0);
	assert_int_equal(config.interval_s, 30);
	assert_int_equal(config.log_level, LEVEL_INFO);
	assert_int_equal(config.port, 8080);
	assert_int_equal(config.gluetun_port, 8001);
	assert_int_equal(config.gluetun_auth, CONFIG_AUTH_APIKEY);
	config_ignored(environment, complain, &text);
	assert_non_null(strstr(complaints, "CHECK_INTERVAL: text (4 bytes) is not allowed"));
	assert_non_null(strstr(complaints, "; ignored (the name that is ours alone is "
	                                   "QSTICKY_CHECK_INTERVAL)\n"));
	assert_non_null(strstr(complaints, "LOG_LEVEL: "));
	assert_non_null(strstr(complaints, "QBITTORRENT_PORT: a number (5 bytes)"));
	assert_non_null(strstr(complaints, "GLUETUN_AUTH_TYPE: "));
	assert_null(strstr(complaints, "GLUETUN_PORT"));
	assert_null(strstr(complaints, "GLUETUN_APIKEY"));
}

/* Its default would be a login that is surely wrong. */
static void config_does_not_ignore_a_secret_of_2_x(void **state)
{
	static char password[32 + SECRET_MAX + 1] = "QBITTORRENT_PASS=";
	struct config config;
	(void)state;

	memset(password + strlen(password), 's', SECRET_MAX + 1);
	assert_int_equal(load_one(&config, password), 1);
}

static void config_takes_no_variable_of_kubernetes_for_a_setting(void **state)
{
	char *environment[] = {
		strdup("QBITTORRENT_SERVICE_HOST=10.0.0.1"),
		strdup("QBITTORRENT_SERVICE_PORT=8080"),
		strdup("QBITTORRENT_PORT=tcp://10.0.0.1:80"),
		strdup("GLUETUN_SERVICE_HOST=10.0.0.2"),
		strdup("GLUETUN_PORT=8001"), /* a person has given it */
		strdup("QSTICKY_SERVICE_HOST=10.0.0.3"),
		strdup("QSTICKY_SERVICE_PORT_WEB=80"),
		strdup("QSTICKY_PORT=tcp://10.0.0.3:80"),
		strdup("QSTICKY_PORT_80_TCP_ADDR=10.0.0.3"),
		strdup("QSTICKY_GLUETUN_SERVICE_HOST=10.0.0.4"),
		strdup("QSTICKY_GLUETUN_PORT=tcp://10.0.0.4:80"),
		NULL,
	};
	struct config config;
	struct text text = text_on(complaints, sizeof complaints);
	(void)state;

	assert_int_equal(load(&config, environment), 0);
	assert_int_equal(config.port, 8080);
	assert_int_equal(config.gluetun_port, 8001);
	config_ignored(environment, complain, &text);
	assert_string_equal(complaints, "");
	config_of_kubernetes(environment, complain, &text);
	assert_string_equal(complaints,
	                    "QBITTORRENT_PORT: Kubernetes has set it for a Service, ignored\n"
	                    "QSTICKY_GLUETUN_PORT: Kubernetes has set it for a Service, ignored\n");
	for (size_t i = 0; environment[i]; i++)
		free(environment[i]);
}

/* Without the Service's _SERVICE_HOST, and with another ending, they are a person's. */
static void config_still_tells_of_what_is_only_like_a_variable_of_kubernetes(void **state)
{
	char *environment[] = {
		strdup("QSTICKY_PORT=8080"),
		strdup("QSTICKY_WEB_SERVICE_HOST=10.0.0.1"),
		strdup("QSTICKY_WEB_PORTS=1"),
		strdup("QSTICKY_WEB_PORT_X=1"),
		strdup("QBITTORRENT_PORT=tcp://10.0.0.1:80"),
		NULL,
	};
	struct config config;
	struct text text = text_on(complaints, sizeof complaints);
	(void)state;

	assert_int_equal(load(&config, environment), 0);
	config_of_kubernetes(environment, complain, &text);
	assert_string_equal(complaints, "");
	config_ignored(environment, complain, &text);
	assert_non_null(strstr(complaints, "QSTICKY_PORT: "));
	assert_non_null(strstr(complaints, "QSTICKY_WEB_PORTS: "));
	assert_non_null(strstr(complaints, "QSTICKY_WEB_PORT_X: "));
	assert_non_null(strstr(complaints, "QBITTORRENT_PORT: a URL"));
	assert_null(strstr(complaints, "_SERVICE_HOST"));
	for (size_t i = 0; environment[i]; i++)
		free(environment[i]);
}

/* The value of an unknown variable may be a secret. */
static void config_does_not_show_the_values_of_unknown_variables(void **state)
{
	char misspelt[] = "QSTICKY_QBITTORRENT_PASSWORD=s3cret";
	char *environment[] = { misspelt, NULL };
	struct text text = text_on(complaints, sizeof complaints);
	(void)state;

	config_ignored(environment, complain, &text);
	assert_null(strstr(complaints, "s3cret"));
}

static void config_help_names_every_variable_with_its_default(void **state)
{
	static const char *const lines[] = {
		"QSTICKY_QBITTORRENT_HOST=localhost\n",
		"QSTICKY_QBITTORRENT_PORT=8080\n",
		"QSTICKY_QBITTORRENT_USER=admin\n",
		"QSTICKY_QBITTORRENT_PASS=adminadmin\n",
		"QSTICKY_PORT_FILE_PATH=/tmp/gluetun/forwarded_port\n",
		"QSTICKY_CHECK_INTERVAL=30\n",
		"QSTICKY_LOG_LEVEL=INFO\n",
		"QSTICKY_LOG_FORMAT=text\n",
		"QSTICKY_NO_PORT_GRACE=120\n",
		"HEALTH_FILE=/tmp/health/status.json\n",
	};
	char buf[4096];
	struct text text = text_on(buf, sizeof buf);
	(void)state;

	config_table_help(&text);
	assert_false(text.full);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		assert_non_null(strstr(buf, lines[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(config_has_the_documented_defaults),
		cmocka_unit_test(config_reads_every_variable),
		cmocka_unit_test(config_takes_a_secret_from_a_variable_or_a_file),
		cmocka_unit_test(config_refuses_a_secret_from_both),
		cmocka_unit_test(config_takes_empty_for_unset),
		cmocka_unit_test(config_takes_a_variable_by_its_whole_name),
		cmocka_unit_test(config_tells_of_all_that_is_wrong_together),
		cmocka_unit_test(config_says_what_is_allowed),
		cmocka_unit_test(config_takes_names_and_addresses_for_a_host),
		cmocka_unit_test(config_drops_the_brackets_of_an_address),
		cmocka_unit_test(config_refuses_urls_and_ports_for_a_host),
		cmocka_unit_test(config_takes_a_host_name_of_255_bytes_and_no_more),
		cmocka_unit_test(config_takes_ports_from_1_to_65535),
		cmocka_unit_test(config_takes_a_port_index_from_1),
		cmocka_unit_test(config_takes_seconds_up_to_a_day),
		cmocka_unit_test(config_takes_log_levels_in_any_case),
		cmocka_unit_test(config_takes_absolute_paths_of_files),
		cmocka_unit_test(config_takes_paths_under_4000_bytes),
		cmocka_unit_test(config_takes_secrets_of_4096_bytes_and_never_shows_them),
		cmocka_unit_test(config_takes_names_of_network_interfaces),
		cmocka_unit_test(config_drops_what_cannot_be_part_of_a_value),
		cmocka_unit_test(config_is_the_same_when_it_is_read_again),
		cmocka_unit_test(config_drops_from_a_password_only_what_no_form_takes),
		cmocka_unit_test(config_says_where_the_parts_of_a_url_go),
		cmocka_unit_test(config_takes_an_empty_interface_for_unset),
		cmocka_unit_test(config_falls_back_on_the_default_for_a_wrong_interface),
		cmocka_unit_test(config_switches_what_is_done_about_reach),
		cmocka_unit_test(config_tells_of_unknown_variables),
		cmocka_unit_test(config_ignores_a_value_of_2_x_that_does_not_fit),
		cmocka_unit_test(config_does_not_ignore_a_secret_of_2_x),
		cmocka_unit_test(config_takes_no_variable_of_kubernetes_for_a_setting),
		cmocka_unit_test(config_still_tells_of_what_is_only_like_a_variable_of_kubernetes),
		cmocka_unit_test(config_does_not_show_the_values_of_unknown_variables),
		cmocka_unit_test(config_help_names_every_variable_with_its_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

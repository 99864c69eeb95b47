/* settings: all variables, one row each, in the order of --help. A new setting is a new row.
 *
 * A row makes a field of struct config (config.h) and an entry of the table that reads the environment
 * and writes --help (table.c). Both files define SETTING(kind, field, ...) and include this one. The
 * kind selects type and parser; the rest initializes a struct config_variable (table.h). */

/* qBittorrent */

SETTING(HOST, host, .name = "QSTICKY_QBITTORRENT_HOST", .old_name = "QBITTORRENT_HOST",
        .fallback = "localhost", .purpose = "host of qBittorrent's Web UI")
SETTING(PORT, port, .name = "QSTICKY_QBITTORRENT_PORT", .old_name = "QBITTORRENT_PORT",
        .fallback = "8080", .purpose = "port of qBittorrent's Web UI")
SETTING(SECRET, user, .name = "QSTICKY_QBITTORRENT_USER", .old_name = "QBITTORRENT_USER",
        .fallback = "admin", .purpose = "user name of the Web UI")
SETTING(SECRET, pass, .name = "QSTICKY_QBITTORRENT_PASS", .old_name = "QBITTORRENT_PASS",
        .fallback = "adminadmin",
        .purpose = "password of the Web UI; not needed if the Web UI asks for none")
SETTING(SECRET_WORD, api_key, .name = "QSTICKY_QBITTORRENT_API_KEY",
        .old_name = "QBITTORRENT_API_KEY", .fallback = "",
        .purpose = "API key of qBittorrent 5.2 or newer, instead of user name and password")

/* qBittorrent's TLS */

SETTING(BOOL, use_https, .name = "QSTICKY_USE_HTTPS", .old_name = "QBITTORRENT_HTTPS",
        .fallback = "false",
        .purpose = "true if the Web UI, or a proxy in front of it, speaks HTTPS")
SETTING(BOOL, verify_ssl, .name = "QSTICKY_VERIFY_SSL", .old_name = "QBITTORRENT_VERIFY_SSL",
        .fallback = "true", .purpose = "false accepts any certificate, which is not secure")
SETTING(PATH, tls_ca_file, .name = "QSTICKY_TLS_CA_FILE", .fallback = CONFIG_TLS_CA_FILE,
        .purpose = "PEM file of trusted CAs, or of the server's own certificate")
SETTING(PINS, tls_pins, .name = "QSTICKY_TLS_PIN_SHA256",
        .purpose = "trust only this certificate; replaces the checks of CA and name")
SETTING(HOST, tls_server_name, .name = "QSTICKY_TLS_SERVER_NAME",
        .purpose = "name expected in the certificate; unset: the host")

/* the source of the port */

SETTING(SOURCE, port_source, .name = "QSTICKY_PORT_SOURCE", .fallback = "file",
        .purpose =
                "file, gluetun (its control server), or auto (that server while there is no file)")
SETTING(PATH, port_file_path, .name = "QSTICKY_PORT_FILE_PATH",
        .fallback = "/tmp/gluetun/forwarded_port",
        .purpose = "file in which Gluetun writes the forwarded port")
SETTING(COUNT, port_index, .name = "QSTICKY_PORT_INDEX", .least = 1, .most = 128, .fallback = "1",
        .purpose = "which of several forwarded ports to set: the first, the second, and so on")
SETTING(HOST, gluetun_host, .name = "QSTICKY_GLUETUN_HOST", .old_name = "GLUETUN_HOST",
        .fallback = "localhost",
        .purpose = "host of Gluetun's control server; setting it makes that the port source")
SETTING(PORT, gluetun_port, .name = "QSTICKY_GLUETUN_PORT", .old_name = "GLUETUN_PORT",
        .fallback = "8000", .purpose = "port of Gluetun's control server")
SETTING(BOOL, gluetun_use_https, .name = "QSTICKY_GLUETUN_USE_HTTPS", .fallback = "false",
        .purpose = "true if a proxy in front of the control server speaks HTTPS")
SETTING(AUTH, gluetun_auth, .name = "QSTICKY_GLUETUN_AUTH_TYPE", .old_name = "GLUETUN_AUTH_TYPE",
        .fallback = "none", .purpose = "login to the control server: none, basic or apikey")
SETTING(SECRET, gluetun_username, .name = "QSTICKY_GLUETUN_USERNAME",
        .old_name = "GLUETUN_USERNAME", .fallback = "", .purpose = "user name for basic")
SETTING(SECRET, gluetun_password, .name = "QSTICKY_GLUETUN_PASSWORD",
        .old_name = "GLUETUN_PASSWORD", .fallback = "", .purpose = "password for basic")
SETTING(SECRET, gluetun_apikey, .name = "QSTICKY_GLUETUN_APIKEY", .old_name = "GLUETUN_APIKEY",
        .fallback = "", .purpose = "key for apikey")

/* behaviour */

SETTING(SECONDS, interval_s, .name = "QSTICKY_CHECK_INTERVAL", .old_name = "CHECK_INTERVAL",
        .least = 1, .most = 86400, .fallback = "30",
        .purpose = "seconds between two checks; a new port in the file is set immediately")
SETTING(SECONDS, no_port_grace_s, .name = "QSTICKY_NO_PORT_GRACE", .most = 86400, .fallback = "120",
        .purpose = "seconds without a forwarded port until that counts as unhealthy")
SETTING(INTERFACE, vpn_interface, .name = "QSTICKY_VPN_INTERFACE", .fallback = "",
        .purpose = "the VPN's interface, to probe the port; found unless set; none: no probe")
SETTING(BOOL, rebind, .name = "QSTICKY_REBIND", .fallback = "true",
        .purpose = "if the port is closed, have qBittorrent open it again")
SETTING(BOOL, bind_interface, .name = "QSTICKY_BIND_INTERFACE", .fallback = "false",
        .purpose = "keep qBittorrent bound to the VPN's interface and address")
SETTING(BOOL, reannounce, .name = "QSTICKY_REANNOUNCE", .fallback = "false",
        .purpose = "announce all torrents after a new port or a reconnect; unset, true if bound")
SETTING(BOOL, orphan_shutdown, .name = "QSTICKY_ORPHAN_SHUTDOWN", .fallback = "false",
        .purpose = "before status 3, shut qBittorrent down, so that it is restarted, too")

/* output */

SETTING(LEVEL, log_level, .name = "QSTICKY_LOG_LEVEL", .old_name = "LOG_LEVEL", .fallback = "INFO",
        .purpose = "lowest level to log: DEBUG, INFO, WARNING or ERROR")
SETTING(FORMAT, log_format, .name = "QSTICKY_LOG_FORMAT", .fallback = "text",
        .purpose = "text, or json: one JSON object a line")
SETTING(SECRET_URL, webhook_url, .name = "QSTICKY_WEBHOOK_URL", .fallback = "",
        .purpose = "URL that gets a POST for each change of port or health; unset: none")
SETTING(PATH, metrics_path, .name = "QSTICKY_METRICS_FILE",
        .purpose = "file for metrics, for Prometheus' node_exporter; unset: none")
SETTING(BOOL, sandbox, .name = "QSTICKY_SANDBOX", .fallback = "true",
        .purpose = "give up all rights that qsticky does not need")
SETTING(PATH, health_path, .name = "HEALTH_FILE", .fallback = "/tmp/health/status.json",
        .purpose = "file to which qsticky writes its health")

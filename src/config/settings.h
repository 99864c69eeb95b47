/* settings: every variable that there is, one row each. A new setting is a new row.
 *
 * A row is the field in struct config (config.h) and the entry in the table that reads the environment and
 * writes --help (table.c): each of them defines SETTING(kind, field, ...) and includes this. The kind gives
 * the type and the parser; what follows is a struct config_variable (table.h). --help has this order. */

/* qBittorrent */

SETTING(HOST, host, .name = "QSTICKY_QBITTORRENT_HOST", .old_name = "QBITTORRENT_HOST",
        .fallback = "localhost", .purpose = "where qBittorrent's Web UI is")
SETTING(PORT, port, .name = "QSTICKY_QBITTORRENT_PORT", .old_name = "QBITTORRENT_PORT",
        .fallback = "8080", .purpose = "port of qBittorrent's Web UI")
SETTING(SECRET, user, .name = "QSTICKY_QBITTORRENT_USER", .old_name = "QBITTORRENT_USER",
        .fallback = "admin", .usual_file = CONFIG_SECRETS "/qbittorrent_user",
        .purpose = "user name of the Web UI")
SETTING(SECRET, pass, .name = "QSTICKY_QBITTORRENT_PASS", .old_name = "QBITTORRENT_PASS",
        .fallback = "adminadmin", .usual_file = CONFIG_SECRETS "/qbittorrent_pass",
        .purpose = "password of the Web UI; not needed where it lets this address in without")
SETTING(SECRET, api_key, .name = "QSTICKY_QBITTORRENT_API_KEY", .old_name = "QBITTORRENT_API_KEY",
        .fallback = "", .usual_file = CONFIG_SECRETS "/qbittorrent_api_key",
        .purpose = "its API key (qBittorrent 5.2 or newer), instead of user and password")

/* its TLS */

SETTING(BOOL, use_https, .name = "QSTICKY_USE_HTTPS", .old_name = "QBITTORRENT_HTTPS",
        .fallback = "false",
        .purpose = "true where the Web UI, or the proxy in front, speaks HTTPS")
SETTING(BOOL, verify_ssl, .name = "QSTICKY_VERIFY_SSL", .old_name = "QBITTORRENT_VERIFY_SSL",
        .fallback = "true", .purpose = "false accepts any certificate: safe from nobody")
SETTING(PATH, tls_ca_file, .name = "QSTICKY_TLS_CA_FILE", .fallback = CONFIG_TLS_CA_FILE,
        .purpose = "PEM file of the CAs to trust, or of the server's own certificate")
SETTING(PINS, tls_pins, .name = "QSTICKY_TLS_PIN_SHA256",
        .purpose = "trust exactly this certificate; replaces the checks of CA and name")
SETTING(HOST, tls_server_name, .name = "QSTICKY_TLS_SERVER_NAME",
        .purpose = "name to expect in the certificate; the host unless set")

/* where the port is learnt */

SETTING(SOURCE, port_source, .name = "QSTICKY_PORT_SOURCE", .fallback = "file",
        .purpose = "file; gluetun, its control server; or auto, that while there is no file")
SETTING(PATH, port_file_path, .name = "QSTICKY_PORT_FILE_PATH",
        .fallback = "/tmp/gluetun/forwarded_port",
        .purpose = "file in which Gluetun writes the forwarded port")
SETTING(HOST, gluetun_host, .name = "QSTICKY_GLUETUN_HOST", .old_name = "GLUETUN_HOST",
        .fallback = "localhost",
        .purpose = "where Gluetun's control server is; set, it is the port source")
SETTING(PORT, gluetun_port, .name = "QSTICKY_GLUETUN_PORT", .old_name = "GLUETUN_PORT",
        .fallback = "8000", .purpose = "port of Gluetun's control server")
SETTING(BOOL, gluetun_use_https, .name = "QSTICKY_GLUETUN_USE_HTTPS", .fallback = "false",
        .purpose = "true where a proxy in front of the control server speaks HTTPS")
SETTING(AUTH, gluetun_auth, .name = "QSTICKY_GLUETUN_AUTH_TYPE", .old_name = "GLUETUN_AUTH_TYPE",
        .fallback = "none", .purpose = "what the control server asks for: none, basic or apikey")
SETTING(SECRET, gluetun_username, .name = "QSTICKY_GLUETUN_USERNAME",
        .old_name = "GLUETUN_USERNAME", .fallback = "",
        .usual_file = CONFIG_SECRETS "/gluetun_username", .purpose = "user name for basic")
SETTING(SECRET, gluetun_password, .name = "QSTICKY_GLUETUN_PASSWORD",
        .old_name = "GLUETUN_PASSWORD", .fallback = "",
        .usual_file = CONFIG_SECRETS "/gluetun_password", .purpose = "password for basic")
SETTING(SECRET, gluetun_apikey, .name = "QSTICKY_GLUETUN_APIKEY", .old_name = "GLUETUN_APIKEY",
        .fallback = "", .usual_file = CONFIG_SECRETS "/gluetun_apikey", .purpose = "key for apikey")

/* what is done, and when */

SETTING(SECONDS, interval_s, .name = "QSTICKY_CHECK_INTERVAL", .old_name = "CHECK_INTERVAL",
        .least = 1, .most = 86400, .fallback = "30",
        .purpose = "seconds between two checks; a change of the file is acted on at once")
SETTING(SECONDS, no_port_grace_s, .name = "QSTICKY_NO_PORT_GRACE", .most = 86400, .fallback = "120",
        .purpose = "seconds without a forwarded port before that is unhealthy")
SETTING(INTERFACE, vpn_interface, .name = "QSTICKY_VPN_INTERFACE", .optional = true,
        .fallback = "tun0",
        .purpose =
                "the VPN's interface, on which the port is probed; if named, it must be here; empty: never")
SETTING(BOOL, rebind, .name = "QSTICKY_REBIND", .fallback = "true",
        .purpose = "whether to have qBittorrent open a port anew that turns out closed")
SETTING(BOOL, bind_interface, .name = "QSTICKY_BIND_INTERFACE", .fallback = "false",
        .purpose = "whether to keep qBittorrent bound to the VPN's interface and address")
SETTING(BOOL, reannounce, .name = "QSTICKY_REANNOUNCE", .fallback = "false",
        .purpose = "whether to have all torrents announced after a change of the port")

/* what is told, and to whom */

SETTING(LEVEL, log_level, .name = "QSTICKY_LOG_LEVEL", .old_name = "LOG_LEVEL", .fallback = "INFO",
        .purpose = "least important lines to log: DEBUG, INFO, WARNING or ERROR")
SETTING(FORMAT, log_format, .name = "QSTICKY_LOG_FORMAT", .fallback = "text",
        .purpose = "text, or json for one JSON object a line")
SETTING(SECRET_URL, webhook_url, .name = "QSTICKY_WEBHOOK_URL", .fallback = "",
        .usual_file = CONFIG_SECRETS "/webhook_url",
        .purpose = "where to POST each change of port and of health; nowhere unless set")
SETTING(PATH, metrics_path, .name = "QSTICKY_METRICS_FILE",
        .purpose = "file for metrics, for Prometheus' node_exporter; none unless set")
SETTING(BOOL, sandbox, .name = "QSTICKY_SANDBOX", .fallback = "true",
        .purpose = "whether to give up the rights that it does not need")
SETTING(PATH, health_path, .name = "HEALTH_FILE", .fallback = "/tmp/health/status.json",
        .purpose = "file in which the health is kept")

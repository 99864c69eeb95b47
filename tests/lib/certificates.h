/* certificates: for the tests of certificates and of TLS.
 *
 * Made with openssl for this; nothing else ever used them. Valid from 2020 to 2120 unless said. */
#ifndef QSTICKY_TESTS_CERTIFICATES_H
#define QSTICKY_TESTS_CERTIFICATES_H

/* Self-signed, for nas.home.arpa, *.apps.home.arpa, 192.0.2.10 and 2001:db8::10. */
#define NAS_PEM                                                                                    \
	"-----BEGIN CERTIFICATE-----\n"                                                            \
	"MIIBszCCAVqgAwIBAgIUGSnPASdx1dgVQbsvDozhrthF2AswCgYIKoZIzj0EAwIw\n"                       \
	"HTENMAsGA1UECgwESG9tZTEMMAoGA1UEAwwDbmFzMCAXDTIwMDEwMTAwMDAwMFoY\n"                       \
	"DzIxMjAwMTAxMDAwMDAwWjAdMQ0wCwYDVQQKDARIb21lMQwwCgYDVQQDDANuYXMw\n"                       \
	"WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS/OJVHcyOi4Xk9FVkXSijOjX3ZurJC\n"                       \
	"JfezxN7EtDlAG6vaEjCU+g/SN6m6oEWJSOdXCc5v7xfiz8vMy+8jtLrWo3YwdDAP\n"                       \
	"BgNVHRMBAf8EBTADAQH/MEIGA1UdEQQ7MDmCDW5hcy5ob21lLmFycGGCECouYXBw\n"                       \
	"cy5ob21lLmFycGGHBMAAAgqHECABDbgAAAAAAAAAAAAAABAwHQYDVR0OBBYEFN74\n"                       \
	"brtWZmvliEpHpjPvR4itpVR3MAoGCCqGSM49BAMCA0cAMEQCIGZu6n9oa62zxVqg\n"                       \
	"LJc6wcNTks42rxJ3hk/NqLCYbXksAiBmKTwpnCbG5wvOmqSyiHr6sn3szCQeV8A8\n"                       \
	"I6QtsW14fg==\n"                                                                           \
	"-----END CERTIFICATE-----\n"

/* The same in all but its key. */
#define OTHER_PEM                                                                                  \
	"-----BEGIN CERTIFICATE-----\n"                                                            \
	"MIIBszCCAVqgAwIBAgIUDomVQLa3JD34u8L+jRuoYcRz0sowCgYIKoZIzj0EAwIw\n"                       \
	"HTENMAsGA1UECgwESG9tZTEMMAoGA1UEAwwDbmFzMCAXDTIwMDEwMTAwMDAwMFoY\n"                       \
	"DzIxMjAwMTAxMDAwMDAwWjAdMQ0wCwYDVQQKDARIb21lMQwwCgYDVQQDDANuYXMw\n"                       \
	"WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATp+Iwu71ORW1YnMcZNjDzAfXBTprYB\n"                       \
	"b7XRu/nHoWNhU3qPCRyE+2rPmatOTObSHLu98xfzkn2+2VQtJ2nOkvHIo3YwdDAP\n"                       \
	"BgNVHRMBAf8EBTADAQH/MEIGA1UdEQQ7MDmCDW5hcy5ob21lLmFycGGCECouYXBw\n"                       \
	"cy5ob21lLmFycGGHBMAAAgqHECABDbgAAAAAAAAAAAAAABAwHQYDVR0OBBYEFA16\n"                       \
	"Wc50J9eWLAXobvynF9QUChIqMAoGCCqGSM49BAMCA0cAMEQCIDJroyxZIJF7Ng5u\n"                       \
	"M4VijbjX/UIP+B3Sc7s+97yhIW6AAiA6xFy/lZzAaBsrnJ9BuSuKbFrgeAp58J5x\n"                       \
	"HjyDu31aTA==\n"                                                                           \
	"-----END CERTIFICATE-----\n"

/* A CA. */
#define ROOT_PEM                                                                                   \
	"-----BEGIN CERTIFICATE-----\n"                                                            \
	"MIIBcTCCARigAwIBAgIUWnqcikYE4Mb1I3OCvLrVkbfHL+8wCgYIKoZIzj0EAwIw\n"                       \
	"HjENMAsGA1UECgwESG9tZTENMAsGA1UEAwwEUm9vdDAgFw0yMDAxMDEwMDAwMDBa\n"                       \
	"GA8yMTIwMDEwMTAwMDAwMFowHjENMAsGA1UECgwESG9tZTENMAsGA1UEAwwEUm9v\n"                       \
	"dDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNl8aW1f9VPZVgs8zFmxpKfkfcfj\n"                       \
	"MPMOyF6gJyYZoJIbKUthwR8GwFCTFObkvqk2G8EkDmu+SVxKkTKLTsQGQlijMjAw\n"                       \
	"MA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYEFAtxW5684c4wIFriPzdd3sisXj4k\n"                       \
	"MAoGCCqGSM49BAMCA0cAMEQCICYJNxmNEZXqTscXBG5a6AesRJ0L9cWDs4cSGEie\n"                       \
	"KuBFAiBXu2iKlMwh20AjPvlFbRRPuXgUUBjmRCjyEU0l5WFNBQ==\n"                                   \
	"-----END CERTIFICATE-----\n"

/* A CA, by root. */
#define INTER_PEM                                                                                  \
	"-----BEGIN CERTIFICATE-----\n"                                                            \
	"MIIBmzCCAUGgAwIBAgIUL5PZ6Li7nG2hyfYdnfh/ctJ9AMcwCgYIKoZIzj0EAwIw\n"                       \
	"HjENMAsGA1UECgwESG9tZTENMAsGA1UEAwwEUm9vdDAgFw0yMDAxMDEwMDAwMDBa\n"                       \
	"GA8yMTIwMDEwMTAwMDAwMFowJjENMAsGA1UECgwESG9tZTEVMBMGA1UEAwwMSW50\n"                       \
	"ZXJtZWRpYXRlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEThkxz9ivsSGiav/U\n"                       \
	"HApZe5hLqmSpoyq0yiF1g9dXtYfjo90M4pVMmex8P42A1VoiDByC4IJlMmJfZxoz\n"                       \
	"Gw2KGqNTMFEwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUUNxXwvfPq15TPrYE\n"                       \
	"xiLzW8QVynowHwYDVR0jBBgwFoAUC3FbnrzhzjAgWuI/N13eyKxePiQwCgYIKoZI\n"                       \
	"zj0EAwIDSAAwRQIhALeLT+pndfDT16VVnH2ec8dPGsgxUCtwp70r0J9wKx1CAiBG\n"                       \
	"5WChz45tZZE5WNdgxgsg+IL09ZXKhS9snrWtN3IoTQ==\n"                                           \
	"-----END CERTIFICATE-----\n"

/* A server, by inter; for the same names as nas. */
#define LEAF_PEM                                                                                   \
	"-----BEGIN CERTIFICATE-----\n"                                                            \
	"MIIB1jCCAXygAwIBAgIUOLHUhGBZSvFsn5gqLYAmyNaSTPEwCgYIKoZIzj0EAwIw\n"                       \
	"JjENMAsGA1UECgwESG9tZTEVMBMGA1UEAwwMSW50ZXJtZWRpYXRlMCAXDTIwMDEw\n"                       \
	"MTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAPMQ0wCwYDVQQDDARsZWFmMFkwEwYH\n"                       \
	"KoZIzj0CAQYIKoZIzj0DAQcDQgAE2hJgl02lu981Ps3aDoT92DThYHxYroNNDw3l\n"                       \
	"YmvE3ZecwJbg/6qb1O2apdGCQxCStThg0M/jpJWHedm4laZytKOBnDCBmTATBgNV\n"                       \
	"HSUEDDAKBggrBgEFBQcDATBCBgNVHREEOzA5gg1uYXMuaG9tZS5hcnBhghAqLmFw\n"                       \
	"cHMuaG9tZS5hcnBhhwTAAAIKhxAgAQ24AAAAAAAAAAAAAAAQMB0GA1UdDgQWBBRF\n"                       \
	"l2t4xJ49B5nGsz6P/goWym1A6DAfBgNVHSMEGDAWgBRQ3FfC98+rXlM+tgTGIvNb\n"                       \
	"xBXKejAKBggqhkjOPQQDAgNIADBFAiB41c/G5aDm5JSmGQj0e3iUQ+RkHzKlB0iY\n"                       \
	"IaEx3N62FQIhAMhSVRJws9j2wTcApTtJbai4Zs9xi9eMQSpUqK3oVnfe\n"                               \
	"-----END CERTIFICATE-----\n"

/* A server, by root; 2019 only. */
#define OLD_PEM                                                                                    \
	"-----BEGIN CERTIFICATE-----\n"                                                            \
	"MIIBtjCCAVygAwIBAgIUFwv/d2KSNXipQDWLVIM2uPZgHWYwCgYIKoZIzj0EAwIw\n"                       \
	"HjENMAsGA1UECgwESG9tZTENMAsGA1UEAwwEUm9vdDAeFw0xOTAxMDEwMDAwMDBa\n"                       \
	"Fw0yMDAxMDEwMDAwMDBaMA4xDDAKBgNVBAMMA29sZDBZMBMGByqGSM49AgEGCCqG\n"                       \
	"SM49AwEHA0IABESYIo2J3urdRcSkZEyV9kZistIm3r8Y8W29g/cGYvtkp6fgdkN9\n"                       \
	"ukohHOj7n4kmbhJ8P+gbsmPqeH5e2tSvgvWjgYcwgYQwQgYDVR0RBDswOYINbmFz\n"                       \
	"LmhvbWUuYXJwYYIQKi5hcHBzLmhvbWUuYXJwYYcEwAACCocQIAENuAAAAAAAAAAA\n"                       \
	"AAAAEDAdBgNVHQ4EFgQU94ziyWOiLjdF7Mky0s/NoCozFMgwHwYDVR0jBBgwFoAU\n"                       \
	"C3FbnrzhzjAgWuI/N13eyKxePiQwCgYIKoZIzj0EAwIDSAAwRQIgOPnBbwUWb1z6\n"                       \
	"6xwJBIsP3XXN8ONshH3yqiGIwpgxaFcCIQDNvRcbqGx4/EQEA+jzOhhOGVljA3H8\n"                       \
	"Yx24on66eBo4gQ==\n"                                                                       \
	"-----END CERTIFICATE-----\n"

/* A client, by root. */
#define CLIENT_PEM                                                                                 \
	"-----BEGIN CERTIFICATE-----\n"                                                            \
	"MIIBzzCCAXagAwIBAgIUAjitLTbU+GbTZmelf9+EsihRwvIwCgYIKoZIzj0EAwIw\n"                       \
	"HjENMAsGA1UECgwESG9tZTENMAsGA1UEAwwEUm9vdDAgFw0yMDAxMDEwMDAwMDBa\n"                       \
	"GA8yMTIwMDEwMTAwMDAwMFowETEPMA0GA1UEAwwGY2xpZW50MFkwEwYHKoZIzj0C\n"                       \
	"AQYIKoZIzj0DAQcDQgAEOn3yxlljmSPKGzN+l9Hq3TbNZtUvzAqAOXOh+vUztxQs\n"                       \
	"yGU04L8wJ3HQM+5mTk6uB/tVwg3qLC7ofkR+djDnsKOBnDCBmTATBgNVHSUEDDAK\n"                       \
	"BggrBgEFBQcDAjBCBgNVHREEOzA5gg1uYXMuaG9tZS5hcnBhghAqLmFwcHMuaG9t\n"                       \
	"ZS5hcnBhhwTAAAIKhxAgAQ24AAAAAAAAAAAAAAAQMB0GA1UdDgQWBBSko4QOrPZ5\n"                       \
	"Wdkbk7apIgTZ7CdxsDAfBgNVHSMEGDAWgBQLcVuevOHOMCBa4j83Xd7IrF4+JDAK\n"                       \
	"BggqhkjOPQQDAgNHADBEAiB36NW9HxHWDEJSMex9nrkrr/KeO85pLI1afMA3uSYG\n"                       \
	"KgIgLOm8/mkMI2tO9E9SQWXDxpQ4mW4C53GOrXUWd3ksfdg=\n"                                       \
	"-----END CERTIFICATE-----\n"

/* Self-signed, RSA of 2048 bits. */
#define RSA_PEM                                                                                    \
	"-----BEGIN CERTIFICATE-----\n"                                                            \
	"MIIC2DCCAcCgAwIBAgIUIydMhbMgWxEHL2K7vwoh8P6+c+YwDQYJKoZIhvcNAQEL\n"                       \
	"BQAwDjEMMAoGA1UEAwwDcnNhMCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAw\n"                       \
	"MDAwWjAOMQwwCgYDVQQDDANyc2EwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEK\n"                       \
	"AoIBAQC1mVuOTthuCy9GUYMEqpySXkvl0sF3c47XoWbn73DiKg9gtk4EhAdL4BQk\n"                       \
	"aZxAQLiWX4diikwgg2G0oZJGejOzxX4IeikbccvcdSVhpi2VTYakiTsJ2BUSi7+w\n"                       \
	"la9GMKq9Mc80zCgSShV+aCb1Fo5WYXrczhj8C95Oc3OWeAgym1f4kO2qLvLfl8Eb\n"                       \
	"l8Qtalx3L6sgsntp2FVQwLNetwgrnu5VyswglIsdOT2MQ8gK2KVft40jN2nUDxac\n"                       \
	"k1XPZJihyjyItztXjAVHal5wtDtKaxoupCqCN45V4wINk9qYeNR8MXf1gqtfLIfK\n"                       \
	"R2L/oYIVJ+5u9oaNqCtUl/UvdOnhAgMBAAGjLDAqMAkGA1UdEwQCMAAwHQYDVR0O\n"                       \
	"BBYEFJQ0IpxihBraKzJaKhDqEY61ILu3MA0GCSqGSIb3DQEBCwUAA4IBAQBHmtxW\n"                       \
	"YpuFF3whfHwcv/h3I2SzoZb/9I9tSGLUCRwCKDZAyYxnalgMJ01wOTv0lAnFVAef\n"                       \
	"mrwI4bL7CubV45+C4zlLUko0gkIWHgYuClzfasf5QncF3OWzUIReWS6JpYKspVbH\n"                       \
	"jl+14r77kUl37GsqU4gAM2MeK2XkO15kSOUM97E7iIRl6mtUQzAY4J8Q6uEOQpEn\n"                       \
	"OPMySEIrBGIPnGoPfxT6Tz3b40Giks4I8l26cmaEDkA20IAG7xcRKs0uFR5Wgc/A\n"                       \
	"U6wHvTqoB4PgV1iGE4ThvHV2SeFipjx3au18kqg5VnISUCXQKhrjwXHlN4X/vS/w\n"                       \
	"99rNoaC5+H1mhK9y\n"                                                                       \
	"-----END CERTIFICATE-----\n"

/* Self-signed, Ed25519. */
#define ED_PEM                                                                                     \
	"-----BEGIN CERTIFICATE-----\n"                                                            \
	"MIIBOjCB7aADAgECAhRI5NDgp5k8QWglLmAqr0PrUeAxKTAFBgMrZXAwEjEQMA4G\n"                       \
	"A1UEAwwHZWQyNTUxOTAgFw0yNjExMjIxMzEyMjdaGA8yMTA5MDExMTEzMTIyN1ow\n"                       \
	"EjEQMA4GA1UEAwwHZWQyNTUxOTAqMAUGAytlcAMhAA6q4FcSLZgs8hQv1/ssdlDb\n"                       \
	"AULvXJ45Nu/YF+8SOys4o1MwUTAdBgNVHQ4EFgQUIE+Q5lknJ8cad0OAwJ254H8p\n"                       \
	"+LcwHwYDVR0jBBgwFoAUIE+Q5lknJ8cad0OAwJ254H8p+LcwDwYDVR0TAQH/BAUw\n"                       \
	"AwEB/zAFBgMrZXADQQA+scAqP9X3swELs07if+Xm+wVbAcBut6v8ITJQ8grxTWVE\n"                       \
	"IDe1Z+Y0T2wGH75WnooBQzKkXnbldV5UYvCShjgB\n"                                               \
	"-----END CERTIFICATE-----\n"

/* RSA, its signature is RSA-PSS. */
#define PSS_PEM                                                                                    \
	"-----BEGIN CERTIFICATE-----\n"                                                            \
	"MIIDaTCCAhygAwIBAgIUaY0jBbIIYaPryU+b9abHuLF9CSswQgYJKoZIhvcNAQEK\n"                       \
	"MDWgDzANBglghkgBZQMEAgEFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgEF\n"                       \
	"AKIEAgIA3jAOMQwwCgYDVQQDDANwc3MwIBcNMjYxMTIyMTMxMjI3WhgPMjEwOTAx\n"                       \
	"MTExMzEyMjdaMA4xDDAKBgNVBAMMA3BzczCCASIwDQYJKoZIhvcNAQEBBQADggEP\n"                       \
	"ADCCAQoCggEBALWZW45O2G4LL0ZRgwSqnJJeS+XSwXdzjtehZufvcOIqD2C2TgSE\n"                       \
	"B0vgFCRpnEBAuJZfh2KKTCCDYbShkkZ6M7PFfgh6KRtxy9x1JWGmLZVNhqSJOwnY\n"                       \
	"FRKLv7CVr0Ywqr0xzzTMKBJKFX5oJvUWjlZhetzOGPwL3k5zc5Z4CDKbV/iQ7aou\n"                       \
	"8t+XwRuXxC1qXHcvqyCye2nYVVDAs163CCue7lXKzCCUix05PYxDyArYpV+3jSM3\n"                       \
	"adQPFpyTVc9kmKHKPIi3O1eMBUdqXnC0O0prGi6kKoI3jlXjAg2T2ph41Hwxd/WC\n"                       \
	"q18sh8pHYv+hghUn7m72ho2oK1SX9S906eECAwEAAaNTMFEwHQYDVR0OBBYEFJQ0\n"                       \
	"IpxihBraKzJaKhDqEY61ILu3MB8GA1UdIwQYMBaAFJQ0IpxihBraKzJaKhDqEY61\n"                       \
	"ILu3MA8GA1UdEwEB/wQFMAMBAf8wQgYJKoZIhvcNAQEKMDWgDzANBglghkgBZQME\n"                       \
	"AgEFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgEFAKIEAgIA3gOCAQEAVzW5\n"                       \
	"6/WUPx7HGjhUv+xdFzMfquUCX0g1XCWAIjL4w8iQDZyXZkreLdAcZ6o5ghuNktpL\n"                       \
	"viKY5MBbHYK3RLYrFrgFbhta6HyznxDK/X0g+eDUJ41QCRxAbUfBsAraTO0cgNBX\n"                       \
	"ai1XgSTZENh0gQw0zWdimfYJl0CaysYEHMkv/8j0DacgMcMabFkqm1KnMHjBmV3P\n"                       \
	"vv0+7MsIEnnWt26Znni+s1pngcZ7U0FlaX8ikD1QNBvPREHwo32RS+6XgxR/RPuV\n"                       \
	"EZSLtYVGlAErZ4hzMEOP34IWBCL8SZ8WoeYvbFP2nejzYbMOO9Op65IDIMlK5C1E\n"                       \
	"acJCNkBP8BZmLb6ajg==\n"                                                                   \
	"-----END CERTIFICATE-----\n"

/* Keys of P-256, 32 bytes each. */
#define NAS_KEY                                                                                    \
	"\x31\x57\x3d\x4e\x80\x29\x1f\x45\xea\x10\xfd\xfc\x2b\x2a\x53\x70"                         \
	"\xc7\x15\x27\xc4\xce\x1b\xc3\x54\xd3\xfe\x29\x0a\x7c\xf7\xf4\x08"

#define OTHER_KEY                                                                                  \
	"\x56\x52\x0a\x37\x48\x50\xf9\x8d\xb6\xfa\x1c\x80\xf4\xb5\x41\x95"                         \
	"\x26\x75\x27\x22\xeb\x85\x86\x3d\xf6\x2d\x7d\xbd\xa9\x42\x66\x1c"

#define LEAF_KEY                                                                                   \
	"\x35\xa6\x01\xd5\x37\x55\xb0\x60\xeb\x34\x64\xc6\x10\x60\xaa\x8d"                         \
	"\xb6\x51\x44\x7a\x34\xc1\x26\xae\x55\x95\x82\x73\x47\xdc\x1b\x5c"

#define OLD_KEY                                                                                    \
	"\x3b\x7f\x8a\x5c\x22\x99\x1e\x97\xaf\x5a\xa5\xa0\xef\x5d\x06\xb9"                         \
	"\xe2\xaf\xd1\xac\x6b\xe4\xfb\x74\x8c\x64\xb3\x47\xa1\xd7\x13\x59"

#define CLIENT_KEY                                                                                 \
	"\x57\x4f\xfa\x86\x4f\x37\xf9\xcd\x81\x28\xdc\xcb\x4a\xb9\xe3\xab"                         \
	"\xa0\x2a\x80\x24\xa8\x2e\xad\x38\x43\x38\xd0\xe6\x0e\x9b\xb0\x2e"

/* SHA-256 of nas. */
#define NAS_SHA256                                                                                 \
	"\xb7\xd5\xd3\x6d\x3e\x61\xa4\xf2\xcb\x9a\xba\xbc\xe2\x31\x92\xfe"                         \
	"\x05\x1d\xc5\xf8\x90\x78\xc0\x50\xce\x5c\x14\x66\x18\xfd\x23\x61"

#endif

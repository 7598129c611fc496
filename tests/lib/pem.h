/* A key and a self-signed certificate for 127.0.0.1, made by the openssl command: for tests of
 * TLS. */
#ifndef TESTS_LIB_PEM_H
#define TESTS_LIB_PEM_H

#include <stdbool.h>

/* Writes both files; false when openssl could not. name goes into the subject. */
bool pem_make(const char *cert_file, const char *key_file, const char *name);

#endif

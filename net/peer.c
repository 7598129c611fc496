#include "net/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

struct network {
	struct peer at;
	unsigned bits; /* of the 128 */
};

struct peer_set {
	size_t n;
	struct network net[];
};

static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool is_v4(const struct peer *p)
{
	return !memcmp(p->b, mapped, sizeof(mapped));
}

static bool text_to_peer(struct str s, struct peer *ret)
{
	char text[PEER_TEXT_BYTES];
	size_t scope = str_find(s, '%');

	s.len = scope; /* the scope of a link-local address says nothing about who it is */
	if (!s.len || s.len >= sizeof(text))
		return false;
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	if (inet_pton(AF_INET6, text, ret->b) == 1)
		return true;
	memcpy(ret->b, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, ret->b + 12) == 1;
}

bool peer_parse(struct str s, struct peer *ret)
{
	struct peer p;
	struct str head, rest;

	s = str_trim(s);
	if (str_starts(s, STR("["))) {
		if (!str_cut(str_n(s.p + 1, s.len - 1), ']', &head, &rest))
			return false;
		s = head;
	} else if (str_cut(s, ':', &head, &rest) && str_find(rest, ':') == rest.len) {
		s = head; /* one colon: an IPv4 address and its port */
	}
	if (!text_to_peer(s, &p))
		return false;
	*ret = p;
	return true;
}

bool peer_of(const struct sockaddr *sa, struct peer *ret)
{
	if (sa->sa_family == AF_INET) {
		memcpy(ret->b, mapped, sizeof(mapped));
		memcpy(ret->b + 12, &((const struct sockaddr_in *)sa)->sin_addr, 4);
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(ret->b, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
		return true;
	}
	return false;
}

void peer_text(const struct peer *p, char ret[PEER_TEXT_BYTES])
{
	const char *text = is_v4(p) ? inet_ntop(AF_INET, p->b + 12, ret, PEER_TEXT_BYTES)
				    : inet_ntop(AF_INET6, p->b, ret, PEER_TEXT_BYTES);

	if (!text)
		ret[0] = '\0';
}

static int network_read(struct network *ret, const char *text, struct err *err)
{
	struct str head, rest;
	int64_t bits;
	bool cut = str_cut(str_of(text), '/', &head, &rest);

	if (!text_to_peer(str_trim(head), &ret->at))
		return err_set(
			err, ERR_CONFIG,
			"\"%s\" is no address and no network (10.0.0.0/8, 2001:db8::/32)",
			text);
	ret->bits = 128;
	if (!cut)
		return 0;
	if (!str_int64(str_trim(rest), &bits) || bits < 0 ||
	    bits > (is_v4(&ret->at) ? 32 : 128))
		return err_set(err, ERR_CONFIG, "\"%s\": \"" STR_FMT "\" is no prefix length",
			       text, STR_ARG(rest));
	ret->bits = (unsigned)bits + (is_v4(&ret->at) ? 96 : 0);
	return 0;
}

int peer_set_new(struct peer_set **ret, const char *const *texts, struct err *err)
{
	CLEANUP(peer_set_free_at) struct peer_set *s = NULL;
	size_t n = 0;
	int r;

	while (texts && texts[n])
		n++;
	s = calloc(1, sizeof(*s) + n * sizeof(s->net[0]));
	if (!s)
		return err_nomem(err);
	for (; s->n < n; s->n++) {
		r = network_read(&s->net[s->n], texts[s->n], err);
		if (r < 0)
			return r;
	}
	*ret = TAKE(s);
	return 0;
}

void peer_set_free(struct peer_set *s)
{
	free(s);
}

static bool network_has(const struct network *net, const struct peer *p)
{
	unsigned whole = net->bits / 8, left = net->bits % 8;

	if (memcmp(net->at.b, p->b, whole))
		return false;
	return !left || (net->at.b[whole] ^ p->b[whole]) >> (8 - left) == 0;
}

bool peer_set_has(const struct peer_set *s, const struct peer *p)
{
	for (size_t i = 0; s && i < s->n; i++)
		if (network_has(&s->net[i], p))
			return true;
	return false;
}

struct peer peer_behind(const struct peer_set *trusted, struct peer direct,
			const char *forwarded)
{
	struct str rest = str_of(forwarded);

	while (rest.len && peer_set_has(trusted, &direct)) {
		struct str one = rest;
		size_t comma = rest.len;

		while (comma && rest.p[comma - 1] != ',')
			comma--;
		one.p += comma;
		one.len -= comma;
		rest.len = comma ? comma - 1 : 0;
		if (!peer_parse(one, &direct))
			break;
	}
	return direct;
}

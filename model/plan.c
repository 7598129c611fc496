#include "model/plan.h"

#include <stddef.h>
#include <stdio.h>

/* --- tables --- */

/* clang-format off */
const struct action_kind_row action_kinds[ACTION_KIND_COUNT] = {
/*                           word             destructive  seat   managed_only  to                   undo */
	[ACTION_WARN]          = { "warn",          false,   true,  false,  ACCOUNT_UNKNOWN,     ACTION_WARN, false },
	[ACTION_FREE_SEAT]     = { "free-seat",     true,    true,  false,  ACCOUNT_UNKNOWN,     ACTION_FREE_SEAT, false },
	[ACTION_SUSPEND]       = { "suspend",       true,    false, false,  ACCOUNT_SUSPENDED,   ACTION_RESTORE, false },
	[ACTION_RESTORE]       = { "restore",       false,   false, false,  ACCOUNT_ACTIVE,      ACTION_SUSPEND, false },
	[ACTION_DEACTIVATE]    = { "deactivate",    true,    false, true,   ACCOUNT_DEACTIVATED, ACTION_ENABLE, false },
	[ACTION_ENABLE]        = { "enable",        false,   false, true,   ACCOUNT_ACTIVE,      ACTION_DEACTIVATE, false },
	[ACTION_REVOKE_TOKENS] = { "revoke-tokens", true,    false, true,   ACCOUNT_UNKNOWN,     ACTION_REVOKE_TOKENS, false },
	[ACTION_PROVISION]      = { "provision",      false, false, false, ACCOUNT_UNKNOWN, ACTION_PROVISION, true },
	[ACTION_REPROVISION]    = { "reprovision",    false, false, false, ACCOUNT_UNKNOWN, ACTION_REPROVISION, true },
	[ACTION_UPDATE_PROFILE] = { "update-profile", false, false, false, ACCOUNT_UNKNOWN, ACTION_UPDATE_PROFILE, true },
	[ACTION_JOIN_GROUPS]    = { "join-groups",    false, false, false, ACCOUNT_UNKNOWN, ACTION_LEAVE_GROUPS, true },
	[ACTION_HAND_OVER]      = { "hand-over",      true,  false, false, ACCOUNT_UNKNOWN, ACTION_HAND_OVER, false },
	[ACTION_LEAVE_GROUPS]   = { "leave-groups",   true,  false, false, ACCOUNT_UNKNOWN, ACTION_JOIN_GROUPS, true },
	[ACTION_DELETE]         = { "delete",         true,  false, true,  ACCOUNT_DELETING, ACTION_CANCEL_DELETE, .rare = true },
	[ACTION_CANCEL_DELETE]  = { "cancel-delete",  false, false, true,  ACCOUNT_ACTIVE, ACTION_DELETE, .rare = true },
	[ACTION_ADD_GROUPS]     = { "add-groups",     false, false, false, ACCOUNT_UNKNOWN, ACTION_REMOVE_GROUPS, .rare = true },
	[ACTION_REMOVE_GROUPS]  = { "remove-groups",  true,  false, false, ACCOUNT_UNKNOWN, ACTION_ADD_GROUPS, .rare = true },
	[ACTION_CHANGE_PROFILE] = { "change-profile", false, false, true,  ACCOUNT_UNKNOWN, ACTION_CHANGE_PROFILE, .rare = true },
	[ACTION_CREATE_GROUP]   = { "create-group",   false, false, false, ACCOUNT_UNKNOWN, ACTION_DROP_GROUP, .rare = true, .group = true },
	[ACTION_DROP_GROUP]     = { "drop-group",     false, false, false, ACCOUNT_UNKNOWN, ACTION_CREATE_GROUP, .rare = true, .group = true },
	[ACTION_WARN_ACCOUNT]   = { "warn-account",   false, false, false, ACCOUNT_UNKNOWN, ACTION_WARN_ACCOUNT, .rare = true },
};

enum { MEMBERSHIP_LAG_MS = 30 * 1000, STATUS_LAG_MS = 30 * 1000, GIFT_LAG_MS = 120 * 1000, SCIM_LAG_MS = 30 * 1000 };

const struct step_op_row step_ops[STEP_OP_COUNT] = {
/*                        word              idempotent verifiable lag                 undo */
	[STEP_SUSPEND]      = { "suspend",      true,  true,  STATUS_LAG_MS,     STEP_RESTORE },
	[STEP_RESTORE]      = { "restore",      true,  true,  STATUS_LAG_MS,     STEP_SUSPEND },
	[STEP_DISABLE]      = { "disable",      true,  true,  STATUS_LAG_MS,     STEP_ENABLE },
	[STEP_ENABLE]       = { "enable",       true,  true,  STATUS_LAG_MS,     STEP_DISABLE },
	[STEP_REMOVE_GROUP] = { "remove-group", true,  true,  MEMBERSHIP_LAG_MS, STEP_ADD_GROUP },
	[STEP_REVOKE_ROLE]  = { "revoke-role",  true,  true,  MEMBERSHIP_LAG_MS, STEP_ASSIGN_ROLE },
	[STEP_ADD_GROUP]    = { "add-group",    true,  true,  MEMBERSHIP_LAG_MS, STEP_REMOVE_GROUP },
	[STEP_ASSIGN_ROLE]  = { "assign-role",  true,  true,  MEMBERSHIP_LAG_MS, STEP_REVOKE_ROLE },
	[STEP_REVOKE_TOKEN] = { "revoke-token", true,  true,  STATUS_LAG_MS,     STEP_REVOKE_TOKEN },
	[STEP_NOTIFY]       = { "notify",       true,  false, 0,                 STEP_NOTIFY },
	[STEP_GIVE_ISSUES]     = { "give-issues",     true, true, GIFT_LAG_MS, STEP_GIVE_ISSUES },
	[STEP_GIVE_FILTERS]    = { "give-filters",    true, true, GIFT_LAG_MS, STEP_GIVE_FILTERS },
	[STEP_GIVE_DASHBOARDS] = { "give-dashboards", true, true, GIFT_LAG_MS, STEP_GIVE_DASHBOARDS },
	[STEP_GIVE_PROJECTS]   = { "give-projects",   true, true, GIFT_LAG_MS, STEP_GIVE_PROJECTS },
	[STEP_GIVE_COMPONENTS] = { "give-components", true, true, GIFT_LAG_MS, STEP_GIVE_COMPONENTS },
	/* creating twice is refused by Atlassian (409), and is searched for before it is tried */
	[STEP_SCIM_CREATE]     = { "scim-create",     false, true, SCIM_LAG_MS, STEP_SCIM_CREATE },
	[STEP_SCIM_UPDATE]     = { "scim-update",     true,  true, SCIM_LAG_MS, STEP_SCIM_UPDATE },
	[STEP_SCIM_ACTIVATE]   = { "scim-activate",   true,  true, SCIM_LAG_MS, STEP_SCIM_DEACTIVATE },
	[STEP_SCIM_DEACTIVATE] = { "scim-deactivate", true,  true, SCIM_LAG_MS, STEP_SCIM_ACTIVATE },
	[STEP_SCIM_MAKE_GROUP] = { "scim-make-group", false, true, SCIM_LAG_MS, STEP_SCIM_MAKE_GROUP },
	[STEP_SCIM_JOIN]       = { "scim-join",       true,  true, SCIM_LAG_MS, STEP_SCIM_LEAVE },
	[STEP_SCIM_LEAVE]      = { "scim-leave",      true,  true, SCIM_LAG_MS, STEP_SCIM_JOIN },
	[STEP_DELETE]          = { "delete",          true,  true, STATUS_LAG_MS, STEP_CANCEL_DELETE },
	[STEP_CANCEL_DELETE]   = { "cancel-delete",   true,  true, STATUS_LAG_MS, STEP_DELETE },
	[STEP_SET_EMAIL]       = { "set-email",       true,  true, STATUS_LAG_MS, STEP_SET_EMAIL },
	[STEP_SET_NAME]        = { "set-name",        true,  true, STATUS_LAG_MS, STEP_SET_NAME },
	/* a second group of one name is refused by Atlassian (409): then it is there */
	[STEP_MAKE_GROUP]      = { "make-group",      true,  true, MEMBERSHIP_LAG_MS, STEP_DROP_GROUP },
	[STEP_DROP_GROUP]      = { "drop-group",      true,  true, MEMBERSHIP_LAG_MS, STEP_MAKE_GROUP },
};
/* clang-format on */

/* As many as Atlassian changes in one call; of what is changed one by one, as many as are soon
 * verified. */
const size_t step_gifts[STEP_OP_COUNT] = {
	[STEP_GIVE_ISSUES] = 1000, [STEP_GIVE_FILTERS] = 50,    [STEP_GIVE_DASHBOARDS] = 100,
	[STEP_GIVE_PROJECTS] = 50, [STEP_GIVE_COMPONENTS] = 50,
};

static const char *const class_words[PLAN_CLASS_COUNT] = {
	[PLAN_LEAVER] = "leaver", [PLAN_ABSENCE] = "absence", [PLAN_INACTIVE] = "inactive",
	[PLAN_ORPHAN] = "orphan", [PLAN_RESTORE] = "restore", [PLAN_PROVISION] = "provision",
	[PLAN_ASKED] = "asked",
};
static const char *const urgency_words[PLAN_URGENCY_COUNT] = { "urgent", "routine" };
static const char *const verdict_words[] = { [GUARD_PASS] = "pass",
					     [GUARD_HOLD_ACTION] = "hold-action",
					     [GUARD_HOLD_PLAN] = "hold-plan" };

static const char *const provision_words[PROVISION_STATE_COUNT] = {
	"unknown", "none", "as-planned", "as-wanted", "other",
};

const char *provision_state_word(enum provision_state state)
{
	return (unsigned)state < PROVISION_STATE_COUNT ? provision_words[state] : "unknown";
}

const char *plan_class_word(enum plan_class class)
{
	return (unsigned)class < PLAN_CLASS_COUNT ? class_words[class] : "unknown";
}

const char *plan_urgency_word(enum plan_urgency urgency)
{
	return (unsigned)urgency < PLAN_URGENCY_COUNT ? urgency_words[urgency] : "unknown";
}

const char *guard_verdict_word(enum guard_verdict verdict)
{
	return (unsigned)verdict < COUNT_OF(verdict_words) ? verdict_words[verdict] : "unknown";
}

static int word_find(const char *const *words, size_t n, struct str word)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(word, str_of(words[i])))
			return (int)i;
	return -1;
}

bool plan_class_of(struct str word, enum plan_class *ret)
{
	int i = word_find(class_words, PLAN_CLASS_COUNT, word);

	if (i >= 0)
		*ret = (enum plan_class)i;
	return i >= 0;
}

bool provision_state_of(struct str word, enum provision_state *ret)
{
	int i = word_find(provision_words, PROVISION_STATE_COUNT, word);

	if (i >= 0)
		*ret = (enum provision_state)i;
	return i >= 0;
}

bool plan_urgency_of(struct str word, enum plan_urgency *ret)
{
	int i = word_find(urgency_words, PLAN_URGENCY_COUNT, word);

	if (i >= 0)
		*ret = (enum plan_urgency)i;
	return i >= 0;
}

bool guard_verdict_of(struct str word, enum guard_verdict *ret)
{
	int i = word_find(verdict_words, COUNT_OF(verdict_words), word);

	if (i >= 0)
		*ret = (enum guard_verdict)i;
	return i >= 0;
}

bool action_kind_of(struct str word, enum action_kind *ret)
{
	for (int i = 0; i < ACTION_KIND_COUNT; i++) {
		if (!str_eq(word, str_of(action_kinds[i].word)))
			continue;
		*ret = (enum action_kind)i;
		return true;
	}
	return false;
}

bool step_op_of(struct str word, enum step_op *ret)
{
	for (int i = 0; i < STEP_OP_COUNT; i++) {
		if (!str_eq(word, str_of(step_ops[i].word)))
			continue;
		*ret = (enum step_op)i;
		return true;
	}
	return false;
}

/* --- memory --- */

enum { BLOCK_BYTES = 64 * 1024 };

struct plan_block {
	struct plan_block *next;
	size_t used, room;
	_Alignas(16) char bytes[];
};

int arena_alloc(struct plan_arena *a, size_t bytes, void *ret_pointer, struct err *err)
{
	size_t need = (bytes + 15) & ~(size_t)15;
	struct plan_block *b = a->head;
	void *p;

	if (!b || b->room - b->used < need) {
		size_t room = need > BLOCK_BYTES ? need : BLOCK_BYTES;

		b = malloc(sizeof(*b) + room);
		if (!b)
			return err_nomem(err);
		*b = (struct plan_block){ .next = a->head, .room = room };
		a->head = b;
		a->bytes += sizeof(*b) + room;
	}
	p = b->bytes + b->used;
	memset(p, 0, need);
	b->used += need;
	*(void **)ret_pointer = p;
	return 0;
}

int arena_text(struct plan_arena *a, struct str s, const char **ret, struct err *err)
{
	char *p = NULL;
	int r = arena_alloc(a, s.len + 1, &p, err);

	if (r < 0)
		return r;
	if (s.len)
		memcpy(p, s.p, s.len);
	*ret = p;
	return 0;
}

int arena_vtextf(struct plan_arena *a, const char **ret, struct err *err, const char *format,
		 va_list args)
{
	char text[1024];
	va_list again;
	char *p = NULL;
	int n, r;

	va_copy(again, args);
	n = vsnprintf(text, sizeof(text), format, args);
	r = n < 0 ? err_set(err, ERR_INTERNAL, "a text that cannot be printed")
		  : arena_alloc(a, (size_t)n + 1, &p, err);
	if (r == 0 && (size_t)n < sizeof(text))
		memcpy(p, text, (size_t)n + 1);
	else if (r == 0)
		(void)vsnprintf(p, (size_t)n + 1, format, again);
	va_end(again);
	if (r == 0)
		*ret = p;
	return r;
}

int arena_textf(struct plan_arena *a, const char **ret, struct err *err, const char *format,
		...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = arena_vtextf(a, ret, err, format, args);
	va_end(args);
	return r;
}

void arena_done(struct plan_arena *a)
{
	while (a->head) {
		struct plan_block *next = a->head->next;

		free(a->head);
		a->head = next;
	}
	a->bytes = 0;
}

int plan_new(struct plan **ret, struct err *err)
{
	struct plan *p = calloc(1, sizeof(*p));

	if (!p)
		return err_nomem(err);
	*ret = p;
	return 0;
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	vec_guard_done(&p->guards);
	vec_action_done(&p->actions);
	vec_superseded_done(&p->supersedes);
	arena_done(&p->arena);
	free(p);
}

void plan_values_free(struct vec_values *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i].json);
	vec_values_done(v);
}

void plan_subject_digest(const unsigned char salt[PLAN_SALT_BYTES], struct str json,
			 struct digest *ret)
{
	struct digest_run run;

	digest_begin(&run, NULL);
	digest_add(&run, salt, PLAN_SALT_BYTES);
	digest_add(&run, json.p, json.len);
	digest_end(&run, ret);
}

/* --- writing: members sorted by name, no blanks --- */

static void put_key(struct buf *b, bool *first, const char *key)
{
	buf_add_char(b, *first ? '{' : ',');
	*first = false;
	buf_add_json(b, str_of(key));
	buf_add_char(b, ':');
}

static void put_text(struct buf *b, bool *first, const char *key, const char *text)
{
	if (!text)
		return;
	put_key(b, first, key);
	buf_add_json(b, str_of(text));
}

static void put_number(struct buf *b, bool *first, const char *key, uint64_t n)
{
	char digits[20]; /* of UINT64_MAX */
	size_t at = sizeof(digits);

	put_key(b, first, key);
	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	buf_add(b, digits + at, sizeof(digits) - at);
}

static void put_bool(struct buf *b, bool *first, const char *key, bool yes)
{
	put_key(b, first, key);
	buf_add_text(b, yes ? "true" : "false");
}

static void put_time(struct buf *b, bool *first, const char *key, int64_t ms)
{
	char text[STAMP_TEXT_BYTES];

	stamp_text(ms, text);
	put_text(b, first, key, text);
}

static void put_texts(struct buf *b, bool *first, const char *key, const char *const *v,
		      size_t n)
{
	put_key(b, first, key);
	buf_add_char(b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_char(b, ',');
		buf_add_json(b, str_of(v[i]));
	}
	buf_add_char(b, ']');
}

static void put_end(struct buf *b, bool first)
{
	buf_add_text(b, first ? "{}" : "}");
}

void plan_write_fields(const struct action_fields *s, struct buf *into)
{
	bool first = true;

	if (s->paths) {
		put_texts(into, &first, "groups", s->groups, s->group_count);
	}
	if (s->provision != PROVISION_UNKNOWN)
		put_text(into, &first, "provision", provision_words[s->provision]);
	if (s->paths) {
		put_texts(into, &first, "roles", s->roles, s->role_count);
	}
	if (s->status != ACCOUNT_UNKNOWN)
		put_text(into, &first, "status", account_status_word(s->status));
	put_end(into, first);
}

static void put_step(struct buf *b, const struct action_step *s)
{
	bool first = true;

	put_text(b, &first, "directory", s->directory);
	if (step_gifts[s->op])
		put_number(b, &first, "from", s->from);
	put_text(b, &first, "group", s->group);
	if (step_gifts[s->op])
		put_texts(b, &first, "items", s->items, s->item_count);
	put_text(b, &first, "name", s->name);
	put_text(b, &first, "op", step_ops[s->op].word);
	put_text(b, &first, "resource", s->resource);
	put_text(b, &first, "role", s->role);
	put_text(b, &first, "site", s->site);
	if (step_gifts[s->op])
		put_number(b, &first, "to", s->to);
	put_end(b, first);
}

static void put_evidence(struct buf *b, const struct action_evidence *e)
{
	bool first = true;

	put_text(b, &first, "path", e->path);
	put_text(b, &first, "source", e->source);
	put_text(b, &first, "value", e->value);
	put_end(b, first);
}

static void put_action(struct buf *b, const struct action *a)
{
	char hex[DIGEST_HEX_BYTES];
	bool first = true;

	put_number(b, &first, "account", a->account);
	put_key(b, &first, "after");
	plan_write_fields(&a->after, b);
	put_time(b, &first, "anchor", a->anchor_ms);
	put_bool(b, &first, "automatic", a->automatic);
	put_key(b, &first, "before");
	plan_write_fields(&a->before, b);
	put_text(b, &first, "class", class_words[a->class]);
	put_time(b, &first, "due", a->due_ms);
	put_key(b, &first, "evidence");
	buf_add_char(b, '[');
	for (size_t i = 0; i < a->evidence_count; i++) {
		if (i)
			buf_add_char(b, ',');
		put_evidence(b, &a->evidence[i]);
	}
	buf_add_char(b, ']');
	put_texts(b, &first, "held_by", a->held_by, a->held_count);
	put_texts(b, &first, "kept", a->kept, a->kept_count);
	put_text(b, &first, "kind", action_kinds[a->kind].word);
	put_number(b, &first, "n", a->n);
	put_number(b, &first, "needs", a->needs);
	put_number(b, &first, "not_after_ms", (uint64_t)a->not_after_ms);
	put_number(b, &first, "person", a->person);
	put_text(b, &first, "product", a->product);
	put_text(b, &first, "reason", a->reason);
	put_text(b, &first, "rule", a->rule);
	put_texts(b, &first, "says", a->says, a->held_count);
	put_text(b, &first, "site", a->site);
	put_key(b, &first, "steps");
	buf_add_char(b, '[');
	for (size_t i = 0; i < a->step_count; i++) {
		if (i)
			buf_add_char(b, ',');
		put_step(b, &a->steps[i]);
	}
	buf_add_char(b, ']');
	digest_hex(&a->subject, hex);
	put_text(b, &first, "subject", hex);
	put_text(b, &first, "verdict", a->verdict == VERDICT_HELD ? "held" : "pass");
	put_key(b, &first, "with");
	buf_add_char(b, '[');
	for (size_t i = 0; i < a->with_count; i++)
		buf_addf(b, "%s%u", i ? "," : "", a->with[i]);
	buf_add_char(b, ']');
	put_end(b, first);
}

static void put_guard(struct buf *b, const struct plan_guard *g)
{
	bool first = true;

	put_text(b, &first, "name", g->name);
	put_number(b, &first, "needs", g->needs);
	put_text(b, &first, "text", g->text);
	put_text(b, &first, "verdict", verdict_words[g->verdict]);
	put_end(b, first);
}

/* By their words, as keys are sorted. */
static const enum action_kind counted_kinds[] = {
	ACTION_ADD_GROUPS,    ACTION_CANCEL_DELETE, ACTION_CHANGE_PROFILE, ACTION_CREATE_GROUP,
	ACTION_DEACTIVATE,    ACTION_DELETE,        ACTION_DROP_GROUP,     ACTION_ENABLE,
	ACTION_FREE_SEAT,     ACTION_HAND_OVER,     ACTION_JOIN_GROUPS,    ACTION_LEAVE_GROUPS,
	ACTION_PROVISION,     ACTION_REMOVE_GROUPS, ACTION_REPROVISION,    ACTION_RESTORE,
	ACTION_REVOKE_TOKENS, ACTION_SUSPEND,       ACTION_UPDATE_PROFILE, ACTION_WARN,
	ACTION_WARN_ACCOUNT,
};

static void put_counts(struct buf *b, const struct plan *p)
{
	uint64_t held = 0, kinds[ACTION_KIND_COUNT] = { 0 };
	bool first = true;

	for (size_t i = 0; i < p->actions.n; i++) {
		held += p->actions.v[i].verdict == VERDICT_HELD;
		kinds[p->actions.v[i].kind]++;
	}
	put_number(b, &first, "actions", p->actions.n);
	put_number(b, &first, "held", held);

	for (size_t i = 0; i < COUNT_OF(counted_kinds); i++) {
		enum action_kind kind = counted_kinds[i];
		char key[64];

		if ((action_kinds[kind].provision || action_kinds[kind].rare ||
		     kind == ACTION_HAND_OVER) &&
		    !kinds[kind])
			continue; /* younger than the others: old plans stay as they are */
		(void)snprintf(key, sizeof(key), "kind_%s", action_kinds[kind].word);
		put_number(b, &first, key, kinds[kind]);
	}
	put_end(b, first);
}

static void put_superseded(struct buf *b, const struct plan_superseded *s)
{
	bool first = true;

	put_number(b, &first, "n", s->n);
	put_number(b, &first, "plan", s->plan);
	put_end(b, first);
}

/* "KEY":[ with one put(item) per element ]. */
#define PUT_ARRAY(b, first, key, vec, put)                                                     \
	do {                                                                                   \
		put_key((b), (first), (key));                                                  \
		buf_add_char((b), '[');                                                        \
		for (size_t i_ = 0; i_ < (vec).n; i_++) {                                      \
			if (i_)                                                                \
				buf_add_char((b), ',');                                        \
			put((b), &(vec).v[i_]);                                                \
		}                                                                              \
		buf_add_char((b), ']');                                                        \
	} while (0)

int plan_write(const struct plan *p, struct buf *into, struct err *err)
{
	bool first = true;

	PUT_ARRAY(into, &first, "actions", p->actions, put_action);
	put_number(into, &first, "approve_within_ms", PLAN_APPROVE_MS);
	put_bool(into, &first, "complete", p->complete);
	put_key(into, &first, "counts");
	put_counts(into, p);
	put_number(into, &first, "format", PLAN_FORMAT);
	PUT_ARRAY(into, &first, "guards", p->guards, put_guard);
	put_bool(into, &first, "held", p->held);
	put_time(into, &first, "now", p->now_ms);
	put_text(into, &first, "org", p->org);
	PUT_ARRAY(into, &first, "supersedes", p->supersedes, put_superseded);
	put_text(into, &first, "urgency", urgency_words[p->urgency]);
	put_end(into, first);
	return buf_fault(into, err, "the plan");
}

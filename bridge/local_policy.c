/* `leaverd policy check` and `leaverd policy test`: a file and nothing else is read. */
#include "bridge/local.h"

#include <string.h>

#include "bridge/config.h"
#include "bridge/render.h"
#include "reconcile/policy_cases.h"
#include "reconcile/policy_lint.h"

/* Beside the configuration, where none is named. */
#define CASES_FILE "leaverd-cases.yaml"

/* The configuration, or all its faults printed. */
static int policy_read(struct cli *cli, struct config *ret, struct conf_faults *faults,
		       struct err *err)
{
	int r = config_read(config_find(cli->config_file), ret, faults, err);

	for (size_t i = 0; r < 0 && !cli->json && i < faults->n; i++)
		render_line(cli, "%s", faults->v[i]);
	return r;
}

static int print_doc(struct cli *cli, const json_t *doc, struct err *err)
{
	int r = jx_text(doc, &cli->out, err);

	buf_add_char(&cli->out, '\n');
	return r < 0 ? r : buf_fault(&cli->out, err, "the output");
}

static int faults_list(const struct conf_faults *faults, json_t *doc, struct err *err)
{
	json_t *list = json_array();
	int r = jx_set(doc, "faults", list, err);

	for (size_t i = 0; r == 0 && i < faults->n; i++)
		r = jx_add(list, json_string(faults->v[i]), err);
	return r;
}

/* --- check --- */

struct checking {
	struct cli *cli;
	json_t *list; /* with --json */
	size_t warnings;
};

static int on_warning(void *ctx, const struct conf_mark *mark, const char *name,
		      const char *key, const char *text, struct err *err)
{
	struct checking *c = ctx;
	json_t *row;

	c->warnings++;
	if (!c->list) {
		render_line(c->cli, "%s:%zu:%zu: %s: %s: %s",
			    mark->file ? mark->file : "policy", mark->line, mark->column, name,
			    key, text);
		return 0;
	}
	row = json_pack("{s:s?,s:I,s:I,s:s,s:s,s:s}", "file", mark->file, "line",
			(json_int_t)mark->line, "column", (json_int_t)mark->column, "name",
			name, "key", key, "text", text);
	return jx_add(c->list, row, err);
}

static int check_end(struct checking *c, json_t *doc, const struct config *config,
		     struct err *err)
{
	if (doc)
		return print_doc(c->cli, doc, err);
	if (!c->cli->quiet && !c->warnings)
		render_line(c->cli,
			    "The policy is in order: %zu rules, nothing to look at twice.",
			    config->policy->rule_count);
	else if (!c->cli->quiet)
		render_line(c->cli, "The policy binds: %zu rules. %zu %s worth a second look.",
			    config->policy->rule_count, c->warnings,
			    c->warnings == 1 ? "thing is" : "things are");
	return 0;
}

int local_policy_check(struct cli *cli, const json_t *request, struct err *err)
{
	CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
	CLEANUP(config_free) struct config config = { 0 };
	CLEANUP(json_decref_at) json_t *doc = cli->json ? json_object() : NULL;
	struct checking c = { .cli = cli };
	struct err later;
	int r;

	(void)request;
	if (cli->json && !doc)
		return err_nomem(err);
	r = policy_read(cli, &config, &faults, err);
	if (doc && (r == 0 || r == -ERR_CONFIG)) {
		int listed = faults_list(&faults, doc, &later);

		c.list = json_array();
		if (listed == 0)
			listed = jx_set(doc, "warnings", c.list, &later);
		if (r < 0)
			return listed == 0 && print_doc(cli, doc, &later) == 0 ? r : -ERR_NOMEM;
	}
	if (r == 0)
		r = policy_lint(config_policy_conf(&config), config.policy, on_warning, &c,
				err);
	if (r == 0)
		r = check_end(&c, doc, &config, err);
	if (r == 0 && c.warnings && cli_switch(cli, "strict"))
		return err_set(err, ERR_CONFIG, "%zu warnings, and --strict allows none",
			       c.warnings);
	return r;
}

/* --- test --- */

struct testing {
	struct cli *cli;
	json_t *list;
	size_t good, bad;
	char last[256]; /* name of the case told last */
};

static int on_told(void *ctx, const struct policy_told *told, struct err *err)
{
	struct testing *t = ctx;

	t->good += told->ok;
	t->bad += !told->ok;
	if (t->list)
		return jx_add(t->list,
			      json_pack("{s:s,s:I,s:s,s:b,s:s?}", "case", told->name, "line",
					(json_int_t)told->mark->line, "expected",
					told->expected, "ok", told->ok, "why", told->why),
			      err);
	if (t->cli->quiet && told->ok)
		return 0;
	if (strcmp(t->last, told->name) != 0)
		render_line(t->cli, "%s", told->name);
	(void)snprintf(t->last, sizeof(t->last), "%s", told->name);
	render_line(t->cli, "  %s  %s", told->ok ? "ok  " : "FAIL", told->expected);
	if (!told->ok)
		render_para(t->cli, 10, "%s", told->why);
	return 0;
}

/* The file of cases: the one named, or the one beside the configuration. */
static int cases_file(struct cli *cli, const json_t *request, char **ret, struct err *err)
{
	const char *named = jx_get_text(request, "file"), *config, *slash;
	struct buf name;

	buf_init(&name, 4096);
	config = config_find(cli->config_file);
	slash = strrchr(config, '/');
	if (!named && slash)
		buf_add(&name, config, (size_t)(slash - config) + 1);
	buf_add_text(&name, named ? named : CASES_FILE);
	*ret = buf_take(&name, NULL);
	buf_done(&name);
	return *ret ? 0 : err_nomem(err);
}

static int test_run(struct cli *cli, struct testing *t, const struct config *config,
		    const char *file, struct conf_faults *faults, struct err *err)
{
	struct policy_cases cases = { 0 };
	struct err said;
	int r = conf_read(file, policy_cases_keys, &cases, faults, err);

	if (r == 0)
		r = policy_cases_run(&cases, config->policy, faults, on_told, t, err);
	said = *err;
	conf_free(policy_cases_keys, &cases);
	for (size_t i = 0; r < 0 && !cli->json && i < faults->n; i++)
		render_line(cli, "%s", faults->v[i]);
	if (r < 0)
		*err = said;
	return r;
}

int local_policy_test(struct cli *cli, const json_t *request, struct err *err)
{
	CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
	CLEANUP(config_free) struct config config = { 0 };
	CLEANUP(json_decref_at) json_t *doc = cli->json ? json_object() : NULL;
	CLEANUP(free_at) char *file = NULL;
	struct testing t = { .cli = cli };
	struct err later;
	int r;

	if (cli->json && !doc)
		return err_nomem(err);
	t.list = doc ? json_array() : NULL;
	r = doc ? jx_set(doc, "expectations", t.list, err) : 0;
	if (r == 0)
		r = policy_read(cli, &config, &faults, err);
	if (r == 0)
		r = cases_file(cli, request, &file, err);
	if (r == 0)
		r = test_run(cli, &t, &config, file, &faults, err);
	if (doc && (r == 0 || r == -ERR_CONFIG) &&
	    (faults_list(&faults, doc, &later) < 0 || print_doc(cli, doc, &later) < 0))
		return err_nomem(err);
	if (r < 0)
		return r;
	if (!cli->quiet && !doc)
		render_line(cli, "%zu expectations, %zu as expected.", t.good + t.bad, t.good);
	if (t.bad)
		return err_set(err, ERR_CONFIG, "%zu of %zu expectations in %s are not met",
			       t.bad, t.good + t.bad, file);
	return 0;
}

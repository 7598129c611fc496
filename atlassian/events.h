/*
 * The organisation's audit events as Atlassian tells them, kept by cursor: events-stream, in
 * the order in which Atlassian processed them. The list never ends; its last cursor is where
 * new events will stand. (GET /events, asked ten times a minute at most, is not used.)
 *
 * What is told of an event is who did it, under which key, when and to what; messages, places
 * and addresses are not read. Texts are borrowed from the page.
 */
#ifndef ATLASSIAN_EVENTS_H
#define ATLASSIAN_EVENTS_H

#include "atlassian/page.h"
#include "model/plan.h"

#define ATL_EVENTS_PAGE 500 /* events asked for at once: the most that Atlassian allows */

struct atl_event {
	struct str id;     /* unique */
	struct str action; /* "user_added_to_group"; a growing list that Atlassian names */
	struct str actor;  /* account id of who did it; of whom an app acted for, where told */
	struct str token;  /* id of the API key or token that was used; empty: none told */
	bool org_key;      /* an API key of an organisation or directory was used */
	int64_t at_ms, processed_ms;
	const json_t *about; /* array of what was acted on: objects with "id" and "type" */
};
/* False with a sentence in why for what is no event. */
bool atl_event_read(const json_t *row, struct atl_event *ret, char *why, size_t room);
/* Id of something that was acted on, without the ARI around it; empty if none. */
struct str atl_event_about(const json_t *about);
/* Whether that thing is said to be a group, by its type or its ARI. */
bool atl_event_about_group(const json_t *about);
/* Whether the action's name says that something was changed, by its words: "added", "granted",
 * ... False for what tells of use alone, such as a login or a page that was viewed. */
bool atl_event_is_change(struct str action);
/* Whether the action's name may be what Atlassian calls a step of ours, by its words: "user",
 * "removed", "group" for REMOVE_GROUP. Names are Atlassian's to choose and no list of them is
 * promised: one whose words say something else, or nothing that we know, is not of that step.
 * False for steps that are no change under a key of the organisation or directory. */
bool atl_event_is_of(struct str action, enum step_op op);
/* Whether its words are those of any step of ours: what is not may be a kind of event that came
 * after this was written, and is kept as evidence all the same. */
bool atl_event_is_known(struct str action);

struct atl_events_page {
	json_t *doc;
	const json_t *rows; /* array; of doc */
	struct str next;    /* cursor after these rows, of doc; empty: none was told */
	bool end;           /* there is nothing newer now */
};
/* Its rows and cursor are gone with it. */
void atl_events_page_done(struct atl_events_page *p);

enum { ATL_EVENTS_LOST = 4 };
/*
 * One page: after cursor, or, where it is empty, from from_ms (wall time of the event) on.
 * *ret is zeroed by the caller, who calls atl_events_page_done(). Answer: ATL_EVENTS_LOST with
 * *err, Atlassian does not take this cursor (any more). Fault: as atl_call(); INCOMPLETE where
 * the answer is no page.
 */
int atl_events_read(struct atl_client *c, struct str cursor, int64_t from_ms,
		    struct atl_events_page *ret, struct err *err) MUST_USE;
/* The list by pages, its first one small: to see whether it may be read. */
int atl_events_list(struct atl_pages *p, struct atl_client *c, struct err *err) MUST_USE;

#endif

#include "model/account.h"

static const char *const status_words[ACCOUNT_STATUS_COUNT] = {
	[ACCOUNT_UNKNOWN] = "unknown",         [ACCOUNT_ACTIVE] = "active",
	[ACCOUNT_SUSPENDED] = "suspended",     [ACCOUNT_NOT_INVITED] = "not_invited",
	[ACCOUNT_DEACTIVATED] = "deactivated", [ACCOUNT_DELETING] = "for_deletion",
};

static const char *const type_words[ACCOUNT_TYPE_COUNT] = {
	[ACCOUNT_TYPE_UNKNOWN] = "unknown",
	[ACCOUNT_PERSON] = "atlassian",
	[ACCOUNT_APP] = "app",
	[ACCOUNT_CUSTOMER] = "customer",
};

static const char *const class_words[CLASS_COUNT] = {
	[CLASS_UNKNOWN] = "unknown", [CLASS_MANAGED] = "managed",
	[CLASS_SYNCED] = "synced",   [CLASS_UNMANAGED] = "unmanaged",
	[CLASS_APP] = "app",         [CLASS_CUSTOMER] = "customer",
};

enum account_class account_class_of(enum account_type type, enum tri managed, enum tri synced,
				    enum tri can_disable)
{
	if (type == ACCOUNT_APP)
		return CLASS_APP;
	if (type == ACCOUNT_CUSTOMER)
		return CLASS_CUSTOMER;
	if (type == ACCOUNT_TYPE_UNKNOWN || managed == TRI_UNKNOWN)
		return CLASS_UNKNOWN;
	if (managed == TRI_NO)
		return CLASS_UNMANAGED;
	if (synced == TRI_YES || can_disable == TRI_NO)
		return CLASS_SYNCED;
	if (synced == TRI_NO || can_disable == TRI_YES)
		return CLASS_MANAGED;
	return CLASS_UNKNOWN;
}

const char *account_status_word(enum account_status status)
{
	return (unsigned)status < ACCOUNT_STATUS_COUNT ? status_words[status] : "unknown";
}

const char *account_type_word(enum account_type type)
{
	return (unsigned)type < ACCOUNT_TYPE_COUNT ? type_words[type] : "unknown";
}

const char *account_class_word(enum account_class class)
{
	return (unsigned)class < CLASS_COUNT ? class_words[class] : "unknown";
}

bool account_status_of(struct str word, enum account_status *ret)
{
	for (int i = 0; i < ACCOUNT_STATUS_COUNT; i++) {
		if (!str_eq(word, str_of(status_words[i])))
			continue;
		*ret = i;
		return true;
	}
	return false;
}

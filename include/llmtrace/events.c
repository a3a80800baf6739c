/* SPDX-License-Identifier: MIT */
/*
 * The tables of events.h, made from events.def and names.def. Built into the shim and into the
 * report: calls nothing, holds constants alone.
 */
#include "llmtrace/events.h"

#define LT_EVENT(name, id, group, aux, doc) static const struct lt_field_info fields_##name[] = {
#define LT_FIELD(event, type, field, count, unit, codec, doc)                                      \
	{#field,                                                                                   \
	 doc,                                                                                      \
	 offsetof(struct lt_ev_##event, field),                                                    \
	 LT_TYPE_##type,                                                                           \
	 LT_UNIT_##unit,                                                                           \
	 LT_CODEC_##codec,                                                                         \
	 count},
#define LT_END(name)                                                                               \
	}                                                                                          \
	;
#define LT_DEF(name, id, doc) static const struct lt_field_info fields_##name[] = {
#define LT_DEF_FIELD(event, type, field, doc)                                                      \
	{#field, doc, 0, LT_TYPE_##type, LT_UNIT_number, LT_CODEC_plain, 1},
#define LT_DEF_END(name)                                                                           \
	}                                                                                          \
	;
#include "llmtrace/events.def"
#undef LT_EVENT
#undef LT_FIELD
#undef LT_END
#undef LT_DEF
#undef LT_DEF_FIELD
#undef LT_DEF_END

#define ROW_FIELDS(name) fields_##name, sizeof(fields_##name) / sizeof(fields_##name[0])

const struct lt_event_info lt_event_infos[] = {
#define LT_EVENT(name, id, group, aux, doc)                                                        \
	{#name, #aux, doc, ROW_FIELDS(name), id, LT_SLOTS(name), LT_GROUP_##group},
#define LT_FIELD(...)
#define LT_END(name)
#define LT_DEF(name, id, doc) {#name, "none", doc, ROW_FIELDS(name), id, 0, 0},
#define LT_DEF_FIELD(...)
#define LT_DEF_END(name)
#include "llmtrace/events.def"
#undef LT_EVENT
#undef LT_FIELD
#undef LT_END
#undef LT_DEF
#undef LT_DEF_FIELD
#undef LT_DEF_END
};
const unsigned lt_event_info_count = sizeof(lt_event_infos) / sizeof(lt_event_infos[0]);

const struct lt_name_info lt_name_infos[] = {
#define LT_NAME(list, value, name, doc) {#list, #name, doc, value},
#include "llmtrace/names.def"
#undef LT_NAME
};
const unsigned lt_name_info_count = sizeof(lt_name_infos) / sizeof(lt_name_infos[0]);

const struct lt_event_info *lt_event_info(unsigned kind)
{
	for (unsigned i = 0; i < lt_event_info_count; i++)
		if (lt_event_infos[i].kind == kind)
			return &lt_event_infos[i];
	return NULL;
}

static int is_same_text(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

const char *lt_aux_name(const char *list, unsigned value)
{
	for (unsigned i = 0; i < lt_name_info_count; i++)
		if (lt_name_infos[i].value == value && is_same_text(lt_name_infos[i].list, list))
			return lt_name_infos[i].name;
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * Finds the call frame information of an address; see cfi.h. Any thread, signal handlers: reads
 * mapped sections of loaded modules only. A module whose code is on the stack of the asking thread
 * cannot go away meanwhile.
 */
#include "cfi.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#include "hook.h"
#include "loader_trust.h"
#include "real.h"

/*
 * How a pointer is stored (LSB 5.0, table 10-1 and 10-2): low half the format, then what it is
 * relative to.
 */
enum {
	FORMAT_ABSOLUTE = 0x00,
	FORMAT_ULEB = 0x01,
	FORMAT_U16 = 0x02,
	FORMAT_U32 = 0x03,
	FORMAT_U64 = 0x04,
	FORMAT_SLEB = 0x09,
	FORMAT_S16 = 0x0a,
	FORMAT_S32 = 0x0b,
	FORMAT_S64 = 0x0c,
	RELATIVE_MASK = 0x70,
	RELATIVE_HERE = 0x10,
	RELATIVE_DATA = 0x30,
	IS_INDIRECT = 0x80,
	IS_OMITTED = 0xff,
	FORMAT_TABLE = RELATIVE_DATA | FORMAT_S32, /* the only one that can be searched by halves */
};

/* What _dl_find_object fills in; from glibc 2.35 on, part of its ABI. */
struct found_object {
	unsigned long long flags;
	void *map_start;
	void *map_end;
	struct link_map *link_map;
	void *eh_frame_header;
	unsigned long long reserved[7];
};

static int (*find_object)(void *addr, struct found_object *ret_object);

struct module_frames {
	uintptr_t start;
	uintptr_t end;
	uintptr_t header; /* .eh_frame_hdr, 0 for none */
	uintptr_t load_bias;
};

struct module_search {
	uintptr_t wanted;
	struct module_frames found;
};

bool cfi_init(void)
{
	struct hook_scope *outer = hook_own_begin();

	find_object = real_dlsym(RTLD_DEFAULT, "_dl_find_object");
	dlerror();
	hook_own_end(outer);
	return find_object;
}

static int search_module(struct dl_phdr_info *info, size_t size, void *context)
{
	struct module_search *search = context;
	struct module_frames module = {UINTPTR_MAX, 0, 0, info->dlpi_addr};

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME)
			module.header = start;
		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		if (start < module.start)
			module.start = start;
		if (start + info->dlpi_phdr[i].p_memsz > module.end)
			module.end = start + info->dlpi_phdr[i].p_memsz;
	}
	if (search->wanted < module.start || search->wanted >= module.end)
		return 0;
	search->found = module;
	return 1;
}

static bool find_module(uintptr_t addr, struct module_frames *ret_module)
{
	struct found_object object;
	struct module_search search = {addr, {0, 0, 0, 0}};
	struct hook_scope *outer;

	if (find_object) {
		if (find_object((void *)addr, &object))
			return false;
		ret_module->start = (uintptr_t)object.map_start;
		ret_module->end = (uintptr_t)object.map_end;
		ret_module->header = (uintptr_t)object.eh_frame_header;
		ret_module->load_bias = object.link_map ? object.link_map->l_addr : 0;
		return true;
	}
	if (!loader_is_usable())
		return false;
	outer = hook_own_begin();
	dl_iterate_phdr(search_module, &search);
	hook_own_end(outer);
	*ret_module = search.found;
	return search.found.end != 0;
}

/*
 * The end of the readable segment that holds addr: gaps between segments may not be mapped. 0 when
 * addr is in none. What _dl_find_object gives begins with the file's header, or is one segment.
 */
static uintptr_t segment_end(const struct module_frames *module, uintptr_t addr)
{
	const ElfW(Ehdr) *file = (const void *)module->start;
	const ElfW(Phdr) * segments;
	struct module_frames other;

	if (addr < module->start || addr >= module->end) {
		if (!find_module(addr, &other) || other.load_bias != module->load_bias)
			return 0;
		module = &other;
		file = (const void *)module->start;
	}
	if (module->start % 4096 || memcmp(file->e_ident, ELFMAG, SELFMAG))
		return module->end;
	if (file->e_phentsize != sizeof(*segments) ||
	    file->e_phoff + file->e_phnum * sizeof(*segments) > 4096)
		return 0;
	segments = (const void *)(module->start + file->e_phoff);
	for (unsigned i = 0; i < file->e_phnum; i++) {
		uintptr_t start = module->load_bias + segments[i].p_vaddr;

		if (segments[i].p_type == PT_LOAD && segments[i].p_flags & PF_R && addr >= start &&
		    addr < start + segments[i].p_memsz)
			return start + segments[i].p_memsz;
	}
	return 0;
}

static struct cfi_bytes bytes_at(const struct module_frames *module, uintptr_t addr)
{
	uintptr_t end = segment_end(module, addr);

	return (struct cfi_bytes){(const uint8_t *)addr, (const uint8_t *)(end ? end : addr), !end};
}

/* A stored pointer. data: what RELATIVE_DATA means. */
static uint64_t read_pointer(struct cfi_bytes *bytes, unsigned encoding, uintptr_t data)
{
	uintptr_t here = (uintptr_t)bytes->at;
	uint64_t value = 0;

	switch (encoding & 0x0f) {
	case FORMAT_ABSOLUTE:
	case FORMAT_U64:
	case FORMAT_S64:
		value = cfi_unsigned(bytes, 8);
		break;
	case FORMAT_ULEB:
		value = cfi_uleb(bytes);
		break;
	case FORMAT_SLEB:
		value = (uint64_t)cfi_sleb(bytes);
		break;
	case FORMAT_U16:
		value = cfi_unsigned(bytes, 2);
		break;
	case FORMAT_U32:
		value = cfi_unsigned(bytes, 4);
		break;
	case FORMAT_S16:
		value = (uint64_t)cfi_signed(bytes, 2);
		break;
	case FORMAT_S32:
		value = (uint64_t)cfi_signed(bytes, 4);
		break;
	default:
		bytes->is_bad = true;
	}
	switch (encoding & RELATIVE_MASK) {
	case 0:
		return value;
	case RELATIVE_HERE:
		return value + here;
	case RELATIVE_DATA:
		return value + data;
	default:
		bytes->is_bad = true;
		return 0;
	}
}

/* What the shared part of an entry says about the rest of it. */
struct common_part {
	unsigned pointer_encoding;
	bool has_data;
};

/* The letters of the augmentation string (LSB 5.0, section 10.6.1.1.1). */
static void read_augmentation(struct cfi_bytes *bytes, const char *letters,
			      struct common_part *common, struct cfi_entry *entry)
{
	struct cfi_bytes data;
	uint64_t length;

	if (letters[0] != 'z') {
		bytes->is_bad = letters[0] != '\0';
		return;
	}
	common->has_data = true;
	length = cfi_uleb(bytes);
	data = *bytes;
	cfi_skip(bytes, length);
	for (letters++; *letters && !bytes->is_bad; letters++) {
		unsigned encoding;

		switch (*letters) {
		case 'R':
			common->pointer_encoding = (unsigned)cfi_unsigned(&data, 1);
			break;
		case 'P':
			encoding = (unsigned)cfi_unsigned(&data, 1);
			read_pointer(&data, encoding & 0x0f, 0);
			break;
		case 'L':
			cfi_skip(&data, 1);
			break;
		case 'S':
			entry->is_signal = true;
			break;
		default:
			bytes->is_bad = true; /* it may change what the instructions mean */
		}
		bytes->is_bad |= data.is_bad;
	}
}

/* One record: its length, then its bytes. Empty at the end of the section. */
static struct cfi_bytes read_record(struct cfi_bytes *section)
{
	uint64_t length = cfi_unsigned(section, 4);
	struct cfi_bytes record;

	if (length == 0xffffffff)
		length = cfi_unsigned(section, 8);
	record = *section;
	cfi_skip(section, length);
	record.end = section->at;
	record.is_bad = section->is_bad;
	return record;
}

static bool read_common(struct cfi_bytes section, struct common_part *common,
			struct cfi_entry *entry)
{
	struct cfi_bytes bytes = read_record(&section);
	const char *letters;
	unsigned version;

	if (cfi_unsigned(&bytes, 4) != 0)
		return false;
	version = (unsigned)cfi_unsigned(&bytes, 1);
	letters = (const char *)bytes.at;
	while (cfi_unsigned(&bytes, 1) != 0)
		;
	if (version == 4)
		cfi_skip(&bytes, 2); /* sizes of an address and of a segment */
	else if (version != 1 && version != 3)
		return false;
	entry->code_align = cfi_uleb(&bytes);
	entry->data_align = cfi_sleb(&bytes);
	entry->return_register =
		(uint32_t)(version == 1 ? cfi_unsigned(&bytes, 1) : cfi_uleb(&bytes));
	if (bytes.is_bad)
		return false;
	read_augmentation(&bytes, letters, common, entry);
	entry->initial = bytes;
	return !bytes.is_bad;
}

/* The record at addr, when it describes wanted. */
static bool read_entry(const struct module_frames *module, uintptr_t addr, uintptr_t wanted,
		       struct cfi_entry *entry)
{
	struct cfi_bytes section = bytes_at(module, addr);
	struct cfi_bytes bytes = read_record(&section);
	struct common_part common = {FORMAT_ABSOLUTE, false};
	uintptr_t back_from = (uintptr_t)bytes.at;
	uint64_t back = cfi_unsigned(&bytes, 4);
	uint64_t length;

	memset(entry, 0, sizeof(*entry));
	if (bytes.is_bad || !back ||
	    !read_common(bytes_at(module, back_from - back), &common, entry))
		return false;
	entry->start = read_pointer(&bytes, common.pointer_encoding, 0);
	length = read_pointer(&bytes, common.pointer_encoding & 0x0f, 0);
	if (common.has_data)
		cfi_skip(&bytes, cfi_uleb(&bytes));
	entry->program = bytes;
	return !bytes.is_bad && wanted - entry->start < length;
}

/* The table of the header: pairs of function and record, in order, relative to the header. */
static bool search_table(const struct module_frames *module, struct cfi_bytes table, uint64_t count,
			 uintptr_t wanted, struct cfi_entry *entry)
{
	const int32_t *pairs = (const void *)table.at;
	int64_t offset = (int64_t)(wanted - module->header);
	uint64_t low = 0, high = count;

	if (table.is_bad || count > (uint64_t)(table.end - table.at) / (2 * sizeof(*pairs)))
		return false;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (pairs[middle * 2] <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low && read_entry(module, module->header + (uintptr_t)(int64_t)pairs[low * 2 - 1],
				 wanted, entry);
}

/* Without a table: one record after the other. */
static bool search_section(const struct module_frames *module, uintptr_t addr, uintptr_t wanted,
			   struct cfi_entry *entry)
{
	struct cfi_bytes section = bytes_at(module, addr);

	while (!section.is_bad && section.at < section.end) {
		uintptr_t here = (uintptr_t)section.at;
		struct cfi_bytes record = read_record(&section);

		if (record.is_bad || record.at == record.end)
			return false;
		if (read_entry(module, here, wanted, entry))
			return true;
	}
	return false;
}

enum cfi_lookup cfi_find(uintptr_t addr, struct cfi_entry *ret_entry)
{
	struct module_frames module;
	struct cfi_bytes bytes;
	unsigned section_encoding, count_encoding, table_encoding;
	uintptr_t section;
	uint64_t count;
	bool is_found;

	if (!find_module(addr, &module))
		return CFI_NO_MODULE;
	if (!module.header)
		return CFI_NO_ENTRY;
	bytes = bytes_at(&module, module.header);
	if (cfi_unsigned(&bytes, 1) != 1) /* version */
		return CFI_NO_ENTRY;
	section_encoding = (unsigned)cfi_unsigned(&bytes, 1);
	count_encoding = (unsigned)cfi_unsigned(&bytes, 1);
	table_encoding = (unsigned)cfi_unsigned(&bytes, 1);
	section = read_pointer(&bytes, section_encoding, module.header);
	if (bytes.is_bad)
		return CFI_NO_ENTRY;
	if (table_encoding == FORMAT_TABLE && count_encoding != IS_OMITTED) {
		count = read_pointer(&bytes, count_encoding, module.header);
		is_found = search_table(&module, bytes, count, addr, ret_entry);
	} else
		is_found = search_section(&module, section, addr, ret_entry);
	return is_found ? CFI_FOUND : CFI_NO_ENTRY;
}

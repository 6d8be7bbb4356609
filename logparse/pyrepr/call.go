package pyrepr

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// call reads the arguments behind a name; the reader stands on the parenthesis. The value begins at start.
func (r *reader) call(name string, start, depth int) Value {
	arguments := Value{Kind: Tuple}
	var keywords map[string]Value
	r.at++
	whole := r.items(&arguments, ')', func() (Value, bool) {
		keyword := r.keyword()
		item, ok := r.value(depth + 1)
		if keyword != "" && ok {
			if keywords == nil {
				keywords = make(map[string]Value)
			}
			keywords[keyword] = item
		}
		return item, ok
	})
	arguments.Cut = !whole
	arguments = finish(arguments)
	object := Value{Kind: Object, Name: name, Text: r.text[start:r.at], Items: arguments.Items, Cut: arguments.Cut}
	short := name[strings.LastIndexByte(name, '.')+1:]
	if made, ok := construct(short, arguments, keywords); ok {
		made.Cut = made.Cut || arguments.Cut
		return made
	}
	return object
}

// keyword goes over the name of an argument and its "=".
func (r *reader) keyword() string {
	end := r.at
	for end < len(r.text) && (isLetter(r.text[end]) || isDigit(r.text[end])) {
		end++
	}
	if end == r.at || end+1 >= len(r.text) || r.text[end] != '=' {
		return ""
	}
	name := r.text[r.at:end]
	r.at = end + 1
	return name
}

// construct makes the value of the constructors that are known.
func construct(name string, arguments Value, keywords map[string]Value) (Value, bool) {
	items := arguments.Items
	one := len(items) == 1 && len(keywords) == 0
	switch name {
	case "UUID", "Decimal", "Timestamp", "IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network", "IPv4Interface", "IPv6Interface":
		if len(items) == 0 || items[0].Kind != Str {
			return Value{}, false
		}
		kind := Str
		switch name {
		case "UUID":
			kind = UUID
		case "Decimal":
			kind = Decimal
		case "Timestamp":
			kind = DateTime
		}
		if name == "Timestamp" && !one {
			return Value{}, false
		}
		return Value{Kind: kind, Text: items[0].Text, Cut: items[0].Cut}, true
	case "bytearray", "memoryview":
		if one && items[0].Kind == Bytes {
			return items[0], true
		}
	case "OrderedDict", "defaultdict", "mappingproxy", "Counter", "immutabledict":
		return mapping(items)
	case "frozenset", "set", "deque", "array":
		if len(items) == 0 {
			return Value{Kind: Set}, true
		}
		if items[0].Kind == List || items[0].Kind == Set {
			return Value{Kind: Set, Items: items[0].Items}, true
		}
	case "date":
		return calendar(items, keywords)
	case "datetime":
		return moment(items, keywords)
	case "time":
		return clock(items, keywords)
	case "timedelta":
		return duration(items, keywords)
	}
	return Value{}, false
}

// mapping makes a dict of OrderedDict([('a', 1)]), OrderedDict({'a': 1}) and defaultdict(<class 'int'>, {…}).
func mapping(items []Value) (Value, bool) {
	if len(items) == 0 {
		return Value{Kind: Dict}, true
	}
	last := items[len(items)-1]
	if last.Kind == Dict {
		return last, true
	}
	if last.Kind != List {
		return Value{}, false
	}
	dict := Value{Kind: Dict, Cut: last.Cut}
	for _, pair := range last.Items {
		if pair.Kind != Tuple || len(pair.Items) != 2 {
			return Value{}, false
		}
		dict.Items = append(dict.Items, pair.Items...)
	}
	return dict, true
}

// parts are the whole numbers among a constructor's arguments, in the order of the names that they go by.
type parts [7]int

// numbers gives positional and named arguments that are whole numbers; others are 0.
func numbers(items []Value, keywords map[string]Value, names ...string) (parts, bool) {
	var found parts
	positional := len(items) - len(keywords)
	for i, name := range names {
		value, named := keywords[name]
		if !named && i < positional {
			value = items[i]
		} else if !named {
			continue
		}
		number, err := strconv.Atoi(value.Text)
		if value.Kind != Int || err != nil {
			return parts{}, false
		}
		found[i] = number
	}
	return found, true
}

func calendar(items []Value, keywords map[string]Value) (Value, bool) {
	part, ok := numbers(items, keywords, "year", "month", "day")
	if !ok || !exists(part) {
		return Value{}, false
	}
	return Value{Kind: Date, Text: fmt.Sprintf("%04d-%02d-%02d", part[0], part[1], part[2])}, true
}

// exists reports whether there is such a day.
func exists(part parts) bool {
	year, month, day := part[0], part[1], part[2]
	made := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	return year >= 1 && year <= 9999 && made.Year() == year && int(made.Month()) == month && made.Day() == day
}

// hours writes a time of day as PostgreSQL does.
func hours(part []int) (string, bool) {
	hour, minute, second, micro := part[0], part[1], part[2], part[3]
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 || micro < 0 || micro > 999999 {
		return "", false
	}
	return fmt.Sprintf("%02d:%02d:%02d%s", hour, minute, second, fraction(micro)), true
}

func fraction(micro int) string {
	if micro == 0 {
		return ""
	}
	return "." + strings.TrimRight(fmt.Sprintf("%06d", micro), "0")
}

// moment makes a timestamp; one whose zone is a name and no offset keeps the name, which PostgreSQL reads too.
func moment(items []Value, keywords map[string]Value) (Value, bool) {
	items, keywords, zone := withoutZone(items, keywords, 8)
	part, ok := numbers(items, keywords, "year", "month", "day", "hour", "minute", "second", "microsecond")
	if !ok || !exists(part) {
		return Value{}, false
	}
	text, ok := hours(part[3:])
	if !ok {
		return Value{}, false
	}
	offset, ok := zoneText(zone)
	return Value{
		Kind: DateTime, Text: fmt.Sprintf("%04d-%02d-%02d %s%s", part[0], part[1], part[2], text, offset),
		Cut: !ok,
	}, true
}

func clock(items []Value, keywords map[string]Value) (Value, bool) {
	items, keywords, zone := withoutZone(items, keywords, 5)
	part, ok := numbers(items, keywords, "hour", "minute", "second", "microsecond")
	if !ok {
		return Value{}, false
	}
	text, ok := hours(part[:4])
	offset, known := zoneText(zone)
	return Value{Kind: Time, Text: text + offset, Cut: !known}, ok
}

// withoutZone takes tzinfo and fold out of the arguments: tzinfo may be the last positional one too.
func withoutZone(items []Value, keywords map[string]Value, most int) ([]Value, map[string]Value, *Value) {
	numeric := make(map[string]Value)
	positional := items[:len(items)-len(keywords)]
	var zone *Value
	for name, value := range keywords {
		switch name {
		case "tzinfo":
			zone = &value
		case "fold":
		default:
			numeric[name] = value
		}
	}
	if len(positional) == most {
		zone = &positional[most-1]
		positional = positional[:most-1]
	}
	rest := append([]Value(nil), positional...)
	for _, value := range numeric {
		rest = append(rest, value)
	}
	return rest, numeric, zone
}

// duration makes an interval: Python keeps days, seconds and microseconds, and so does psycopg.
func duration(items []Value, keywords map[string]Value) (Value, bool) {
	part, ok := numbers(items, keywords, "days", "seconds", "microseconds")
	if !ok || part[1] < 0 || part[1] >= 86400 || part[2] < 0 || part[2] > 999999 {
		return Value{}, false
	}
	days, seconds := part[0], part[1]
	text := fmt.Sprintf("%02d:%02d:%02d%s", seconds/3600, seconds/60%60, seconds%60, fraction(part[2]))
	switch {
	case days == 0:
	case seconds == 0 && part[2] == 0:
		text = plural(days)
	case days < 0:
		text = plural(days) + " +" + text
	default:
		text = plural(days) + " " + text
	}
	return Value{Kind: Interval, Text: text}, true
}

func plural(days int) string {
	if days == 1 {
		return "1 day"
	}
	return strconv.Itoa(days) + " days"
}

package pyrepr

import (
	"strconv"
	"strings"
)

// sequence reads the items between brackets; the reader stands on the opening one.
func (r *reader) sequence(kind Kind, closing byte, depth int) Value {
	value := Value{Kind: kind}
	r.at++
	value.Cut = !r.items(&value, closing, func() (Value, bool) { return r.value(depth + 1) })
	return finish(value)
}

// parenthesis reads a tuple, or a value that stands in parentheses.
func (r *reader) parenthesis(depth int) Value {
	start := r.at
	value := r.sequence(Tuple, ')', depth)
	// (1,) is a tuple and (1) is not.
	if len(value.Items) == 1 && !value.Cut && !strings.Contains(r.text[start+1:r.at], ",") {
		return value.Items[0]
	}
	return value
}

// braces reads a dict or a set.
func (r *reader) braces(depth int) Value {
	value := Value{Kind: Dict}
	r.at++
	whole := r.items(&value, '}', func() (Value, bool) {
		item, ok := r.value(depth + 1)
		if !ok || item.Kind == Lost {
			return item, ok
		}
		r.space()
		if value.Kind == Dict && r.take(':') {
			r.space()
			value.Items = append(value.Items, item)
			if item, ok = r.value(depth + 1); !ok {
				item = Value{Kind: Lost, Cut: true}
			}
			return item, true
		}
		switch {
		case len(value.Items) == 0 && !r.ended():
			value.Kind = Set
		case value.Kind == Dict: // the text ends behind a key, or the pair is damaged
			value.Items = append(value.Items, item)
			return Value{Kind: Lost, Cut: true}, true
		}
		return item, ok
	})
	value.Cut = !whole
	if value.Kind == Dict && len(value.Items)%2 == 1 {
		value.Items = append(value.Items, Value{Kind: Lost, Cut: true})
	}
	return finish(value)
}

// items reads values with commas between them, until the closing bracket. It reports whether that one was
// found with nothing unreadable before it.
func (r *reader) items(value *Value, closing byte, next func() (Value, bool)) bool {
	value.Items = make([]Value, 0, 8)
	for {
		r.space()
		switch {
		case r.take(closing):
			return true
		case r.ended():
			return false
		}
		if left, ok := r.mark(); ok {
			if value.Kind == Dict { // of a dict, the mark stands for a key and its value
				value.Items = append(value.Items, left)
			}
			value.Items = append(value.Items, left)
			continue
		}
		item, ok := next()
		if !ok {
			value.Items = append(value.Items, Value{Kind: Lost, Cut: true})
			return r.resync(closing)
		}
		value.Items = append(value.Items, item)
		r.space()
		if !r.take(',') && r.peek() != closing && !strings.HasPrefix(r.rest(), "...") {
			return r.resync(closing)
		}
	}
}

// resync goes to the end of a text that is no Python from here on. It always reports that something is missing.
func (r *reader) resync(closing byte) bool {
	if end := strings.IndexByte(r.rest(), closing); end >= 0 {
		r.at += end + 1
	} else {
		r.at = len(r.text)
	}
	return false
}

// mark reads what SQLAlchemy puts in the place of parameters and of sets of them.
func (r *reader) mark() (Value, bool) {
	rest, ok := strings.CutPrefix(r.rest(), "... ")
	if !ok {
		return Value{}, false
	}
	text, after, ok := strings.Cut(rest, " ...")
	if !ok {
		return Value{}, false
	}
	missing, ok := leftOut(text)
	if !ok {
		return Value{}, false
	}
	r.at = len(r.text) - len(after)
	return Value{Kind: Lost, Cut: true, Missing: missing}, true
}

// leftOut reads "50 parameters truncated" and "displaying 10 of 25 total bound parameter sets".
func leftOut(text string) (int, bool) {
	if count, ok := strings.CutSuffix(text, " parameters truncated"); ok {
		missing, err := strconv.Atoi(count)
		return missing, err == nil
	}
	text, ok := strings.CutPrefix(text, "displaying ")
	if !ok {
		return 0, false
	}
	shown, total, ok := strings.Cut(strings.TrimSuffix(text, " total bound parameter sets"), " of ")
	some, err := strconv.Atoi(shown)
	all, err2 := strconv.Atoi(total)
	return all - some, ok && err == nil && err2 == nil && all >= some
}

// finish marks a value whose items are cut.
func finish(value Value) Value {
	for i := range value.Items {
		value.Cut = value.Cut || value.Items[i].Cut
	}
	return value
}

// angle reads the repr of an object in angle brackets, and takes the value out of that of an Enum.
func (r *reader) angle(depth int) Value {
	start := r.at
	r.at++
	for !r.ended() && (isLetter(r.peek()) || isDigit(r.peek()) || r.peek() == '.') {
		r.at++
	}
	name := r.text[start+1 : r.at]
	if strings.HasPrefix(r.rest(), ": ") {
		r.at += len(": ")
		if item, ok := r.value(depth + 1); ok && r.take('>') {
			return finish(Value{Kind: Enum, Name: name, Items: []Value{item}})
		}
	}
	// Angle brackets nest: <function f at 0x1>, <Field <'a'>>.
	r.at = start
	for open := 0; !r.ended(); {
		switch r.text[r.at] {
		case '<':
			open++
		case '>':
			open--
		}
		r.at++
		if open == 0 {
			return Value{Kind: Object, Name: name, Text: r.text[start:r.at]}
		}
	}
	return Value{Kind: Object, Name: name, Text: r.text[start:], Cut: true}
}

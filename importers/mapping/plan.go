package mapping

import (
	"slices"
)

// plan prepares the conversion of one column.
func (a *assigner) plan(c Column, source int, r *Rule) plan {
	k := kindOf(c.Type)
	p := plan{field: -1, fit: k.fitOf(), lossy: r.Lossy, notNull: c.NotNull && !c.HasDefault && c.Identity == 0}
	if r.value != nil || source < 0 {
		return p
	}
	p.field = a.Fields[source].Index
	for _, w := range a.Profile.nullsOf(r) {
		p.nulls = append(p.nulls, []byte(w))
		p.lengths |= 1 << min(len(w), 63)
	}
	p.steps = slices.Clone(a.Profile.stepsOf(r))
	if !slices.ContainsFunc(p.steps, func(s step) bool { return s.typed() }) {
		if implied, ok := k.implied(); ok {
			p.steps, p.trims = append(p.steps, step{op: implied}), true // spaces around a number or a date mean nothing to the server either
		}
	}
	for len(p.steps) > 0 && (p.steps[0].op == opTrim || p.steps[0].op == opText) {
		p.trims = p.trims || p.steps[0].op == opTrim
		p.steps = p.steps[1:]
	}
	p.kind, p.texts = k, a.Profile.KeepQuoted && k.holdsEmpty()
	p.quick = len(p.steps) == 0 && !k.shortening()
	for i := range p.steps {
		p.steps[i].kind = k
	}
	return p
}

// holdsEmpty reports whether the empty text is a value of the type.
func (k *kind) holdsEmpty() bool { return !k.array && (k.base == typeText || k.name == "bytea") }

// implied is the conversion of columns for which the profile names none: where a text of the type can be
// understood in two ways, or is often written as another. All else is left to the server, which knows best.
func (k *kind) implied() (op, bool) {
	if k.array {
		return 0, false
	}
	switch k.base {
	case typeInt2, typeInt4, typeInt8:
		return opInt, true
	case typeDate:
		return opDate, true
	case typeTimestamp, typeTimestampTZ:
		return opTimestamp, true
	}
	return 0, false
}

// settle drops columns that can get nothing, because their defaults name columns that are not there, and prepares
// the other defaults.
func (a *assigner) settle() {
	for {
		i := slices.IndexFunc(a.Targets, func(t Target) bool {
			r := a.ruleOf(t.Name)
			return t.Source < 0 && r.value == nil && !slices.ContainsFunc(r.defaults, a.possible)
		})
		if i < 0 {
			break
		}
		a.Targets = slices.Delete(a.Targets, i, i+1)
		a.plans = slices.Delete(a.plans, i, i+1)
	}
	for i := range a.Targets {
		r := a.ruleOf(a.Targets[i].Name)
		for d := range r.defaults {
			if a.possible(r.defaults[d]) {
				a.plans[i].defaults = append(a.plans[i].defaults, a.recipe(&r.defaults[d]))
			}
		}
		if r.value != nil && a.possible(*r.value) {
			made := a.recipe(r.value)
			a.plans[i].value = &made
		}
		if p := &a.plans[i]; p.value != nil || p.defaults != nil || p.notNull {
			a.late = append(a.late, i)
		}
	}
}

// ruleOf is what the profile says of a column, or nothing.
func (a *assigner) ruleOf(column string) *Rule {
	if r := a.Profile.Rule(column); r != nil {
		return r
	}
	return &Rule{Column: column}
}

func (a *assigner) target(column string) int {
	return slices.IndexFunc(a.Targets, func(t Target) bool { return t.Name == column })
}

// possible reports whether all columns of a template are among the targets, and its headers in the source.
func (a *assigner) possible(t template) bool {
	return !slices.ContainsFunc(t.parts, func(p part) bool {
		return p.column != "" && a.target(p.column) < 0 || p.header != "" && a.header(p.header) < 0
	})
}

func (a *assigner) header(name string) int {
	return slices.IndexFunc(a.Header, func(h string) bool { return a.Profile.folded(h) == a.Profile.folded(name) })
}

// recipe finds the columns of a template among the targets.
func (a *assigner) recipe(t *template) recipe {
	var r recipe
	for _, p := range t.parts {
		made := piece{text: []byte(p.text), target: -1, field: -1, number: p.number}
		if p.column != "" {
			made.target = a.target(p.column)
		}
		if p.header != "" {
			made.field = a.header(p.header)
		}
		r.pieces = append(r.pieces, made)
	}
	if len(r.pieces) == 0 { // default: "" is an empty text
		r.pieces = []piece{{text: []byte{}, target: -1, field: -1}}
	}
	return r
}

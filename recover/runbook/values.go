package runbook

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// valueOf finds a variable in an environment.
func valueOf(env []string, name string) string {
	value := ""
	for _, entry := range env {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value = v
		}
	}
	return value
}

// secretName is looked for once for each line that a block prints.
var secretName = regexp.MustCompile(`(?i)passw|secret|token|api_?key|private`)

// Secret reports whether the value of an input is kept nowhere, because its name says so.
func (in *Input) Secret() bool {
	return secretName.MatchString(in.Name)
}

// validate refuses a value that cannot be meant.
func (in *Input) validate(value string) error {
	digits := regexp.MustCompile(`^\d+$`)
	switch {
	case value == "":
		return failure("take value of", in.Name, ErrInput, "", "it is empty")
	case strings.ContainsAny(value, "\x00\n\r"):
		return failure("take value of", in.Name, ErrInput, "", "it has a line break or a zero byte")
	case digits.MatchString(in.Example) && !digits.MatchString(value):
		return failure("take value of", in.Name, ErrInput, "", "%q is no number, as %s would be", value, in.Example)
	}
	return nil
}

// settings are the variables by which libpq finds a server: they say what a run is
// about, even where the book does not ask for them.
func settings() []string {
	return []string{"PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE"}
}

func isSetting(name string) bool { return slices.Contains(settings(), name) }

// gather collects the inputs that are given, and the settings of the environment.
func (b *Book) gather(given map[string]string, env []string) (map[string]string, error) {
	values := make(map[string]string)
	for _, name := range settings() {
		value, ok := given[name]
		if !ok {
			value = valueOf(env, name)
		}
		if value != "" {
			values[name] = value
		}
	}
	for i := range b.Inputs {
		in := &b.Inputs[i]
		value, ok := given[in.Name]
		if !ok {
			if value = valueOf(env, in.Name); value == "" {
				continue
			}
		}
		if err := in.validate(value); err != nil {
			return nil, err
		}
		values[in.Name] = value
	}
	for _, name := range sortedKeys(given) {
		if _, known := values[name]; !known {
			return nil, failure("take value of", name, ErrInput, "the table \"You need\" of the book lists its inputs", "the book has no such input")
		}
	}
	return values, nil
}

// shown are values without the secret ones.
func (b *Book) shown(values map[string]string) map[string]string {
	visible := maps.Clone(values)
	for _, in := range b.Inputs {
		if _, set := visible[in.Name]; set && in.Secret() {
			visible[in.Name] = "(secret)"
		}
	}
	return visible
}

// lacking lists the inputs that blocks use and that have no value yet.
func (b *Book) lacking(blocks []*Block, values map[string]string) []string {
	var names []string
	for _, block := range blocks {
		for _, name := range uses(block) {
			for _, in := range b.Inputs {
				if _, set := values[in.Name]; strings.EqualFold(in.Name, name) && !set && !slices.Contains(names, in.Name) {
					names = append(names, in.Name)
				}
			}
		}
	}
	return names
}

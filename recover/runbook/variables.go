package runbook

import (
	"regexp"
	"slices"
	"strings"
)

// wellKnown reports whether a variable needs no line in the table: the run itself or
// the environment of any shell has it, or libpq reads it.
func wellKnown(name string) bool {
	return slices.Contains([]string{
		"OUT", "EVIDENCE", "HOME", "PATH", "PWD", "OLDPWD", "USER", "LOGNAME", "SHELL", "TMPDIR", "HOSTNAME", "LANG", "TZ", "IFS",
		"PPID", "RANDOM", "SECONDS", "UID", "LINENO",
		"PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE", "PGPASSFILE", "PGSSLMODE", "PGOPTIONS", "PGCONNECT_TIMEOUT",
	}, strings.ToUpper(name))
}

// uses lists the variables that a block cannot do without: it reads them, does not set
// them itself, and says nothing to take in their place. Each is there once.
func uses(b *Block) []string { return variables(b, false) }

// mentions lists those that uses lists, and those that may have no value, as in
// ${NAME:-other} and ${NAME:+more}.
func mentions(b *Block) []string { return variables(b, true) }

func variables(b *Block, all bool) []string {
	read, spared, set := shellVariables(b.Text)
	if b.Language == SQL {
		read, set = sqlVariables(b.Text)
	}
	if all {
		read = append(read, spared...)
	}
	var found []string
	for _, name := range read {
		if !slices.Contains(set, name) && !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}

// shellVariables reads a script as far as it takes to tell variables from what looks
// like them: comments, quotes, here-documents that expand nothing. Spared are those that
// may have no value.
func shellVariables(script string) (read, spared, set []string) {
	text := shellText(script)
	for _, match := range regexp.MustCompile(`(?m)(?:^|[\s;|&(])([A-Za-z_]\w*)\+?=|\bfor\s+([A-Za-z_]\w*)\b|\b(?:read|mapfile|readarray|local|export|declare)((?:\s+-\w+)*(?:\s+[A-Za-z_]\w*\b)+)|\bgetopts\s+\S+\s+(\w+)`).FindAllStringSubmatch(text, -1) {
		for _, names := range match[1:] {
			for _, name := range strings.Fields(names) {
				if !strings.HasPrefix(name, "-") {
					set = append(set, name)
				}
			}
		}
	}
	// What stands behind ${NAME:+ is only read where NAME has a value.
	text = regexp.MustCompile(`\$\{[A-Za-z_]\w*:?\+[^{}]*\}`).ReplaceAllStringFunc(text, func(part string) string {
		name, rest, _ := strings.Cut(part[len("${"):], "+")
		name = strings.TrimSuffix(name, ":")
		return "${" + name + ":+" + regexp.MustCompile(`\$`+name+`\b`).ReplaceAllString(rest, "")
	})
	for _, match := range regexp.MustCompile(`\$(?:([A-Za-z_]\w*)|\{[#!]?([A-Za-z_]\w*)(:?[-=+])?)`).FindAllStringSubmatch(text, -1) {
		if name, fallback := match[1]+match[2], match[3]; fallback == "" {
			read = append(read, name)
		} else {
			spared = append(spared, name)
		}
	}
	return read, spared, set
}

// shellText is a script with spaces in place of what a shell does not expand.
func shellText(script string) string {
	// A here-document with a quoted name is taken as it is.
	script = regexp.MustCompile(`(?s)<<-?\s*['"\\](\w+)['"]?.*`).ReplaceAllStringFunc(script, func(rest string) string {
		name := regexp.MustCompile(`\w+`).FindString(rest)
		if _, behind, found := strings.Cut(rest, "\n"+name+"\n"); found {
			return "\n" + behind
		}
		return ""
	})
	out := []byte(script)
	blank := func(i int) {
		if out[i] != '\n' {
			out[i] = ' '
		}
	}
	double, single := false, false
	for i := 0; i < len(script); i++ {
		switch c := script[i]; {
		case single:
			single = c != '\''
			blank(i)
		case c == '\\' && i+1 < len(script):
			blank(i)
			blank(i + 1)
			i++
		case c == '\'' && !double:
			single = true
		case c == '"':
			double = !double
		case c == '#' && !double && (i == 0 || strings.ContainsRune(" \t\n;", rune(script[i-1]))):
			for i < len(script) && script[i] != '\n' {
				blank(i)
				i++
			}
		}
	}
	return string(out)
}

// sqlVariables finds psql's variables. Casts with two colons and slices are none.
func sqlVariables(script string) (read, set []string) {
	for _, match := range regexp.MustCompile(`\\(?:set|getenv|prompt)\s+([A-Za-z_]\w*)`).FindAllStringSubmatch(script, -1) {
		set = append(set, match[1])
	}
	if strings.Contains(script, `\gset`) {
		for _, match := range regexp.MustCompile(`(?i)\bas\s+"?([A-Za-z_]\w*)`).FindAllStringSubmatch(script, -1) {
			set = append(set, match[1])
		}
	}
	plain := regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/`).ReplaceAllString(script, " ")
	for _, match := range regexp.MustCompile(`(?:^|[^:\w\[]):(?:'([A-Za-z_]\w*)'|"([A-Za-z_]\w*)"|\{\?([A-Za-z_]\w*)\})`).FindAllStringSubmatch(plain, -1) {
		read = append(read, match[1]+match[2]+match[3])
	}
	for _, match := range regexp.MustCompile(`(?:^|[^:\w\]'"]):([A-Za-z_]\w*)`).FindAllStringSubmatch(withoutStrings(plain), -1) {
		read = append(read, match[1])
	}
	return read, set
}

// withoutStrings is SQL with empty strings in place of strings, and no comments.
func withoutStrings(script string) string {
	script = regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/`).ReplaceAllString(script, " ")
	script = regexp.MustCompile(`(?s)'(?:[^']|'')*'`).ReplaceAllString(script, "''")
	return regexp.MustCompile(`(?s)\$\$.*?\$\$`).ReplaceAllString(script, "''")
}

// needs lists what the fact Needs of a step names in backquotes, and the anchors
// of steps that it links to.
func needs(s *Step) []string {
	text := s.Fact(factNeeds)
	var found []string
	for _, match := range regexp.MustCompile("`([A-Za-z_]\\w*)`|\\]\\(#([^)\\s]+)\\)").FindAllStringSubmatch(text, -1) {
		found = append(found, match[1]+match[2])
	}
	return found
}

// giver is the first step that gives a variable its value, or nil.
func (b *Book) giver(name string) *Step {
	for _, step := range b.Steps {
		if slices.Contains(gives(step), name) {
			return step
		}
	}
	return nil
}

// gives lists the outputs of a step: what its fact Gives names, and what its blocks
// are seen to write to $OUT.
func gives(s *Step) []string {
	var found []string
	for _, match := range regexp.MustCompile("`([A-Za-z_]\\w*)`").FindAllStringSubmatch(s.Fact(factGives), -1) {
		found = append(found, match[1])
	}
	for _, block := range s.Blocks(Check, Run, Verify) {
		if !strings.Contains(block.Text, "$OUT") && !strings.Contains(block.Text, "${OUT}") {
			continue
		}
		for line := range strings.Lines(block.Text) {
			if !strings.Contains(line, "OUT") {
				continue
			}
			for _, match := range regexp.MustCompile(`([A-Za-z_]\w*)=`).FindAllStringSubmatch(line, -1) {
				found = append(found, match[1])
			}
		}
	}
	return found
}

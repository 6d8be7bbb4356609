package runbook

import (
	"regexp"
	"strings"
)

// Matches reports whether output is what an expect block shows: … stands for any
// text in a line, and a line of nothing else for any lines.
func Matches(shown, output string) bool {
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	for line := range strings.Lines(shown) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*") + `\n`)
	}
	compiled, err := regexp.Compile(pattern.String() + `\z`)
	if err != nil { // too large for a pattern
		return shown == output
	}
	if output != "" && !strings.HasSuffix(output, "\n") {
		output += "\n"
	}
	return compiled.MatchString(output)
}

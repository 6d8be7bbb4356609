package runbook

import (
	"slices"
	"strings"
	"testing"
)

// sound is a step that no rule has anything against.
const sound = `### 1. One

- **Changes:** a file
- **Time box:** 1 min
- **Undo:** remove it
- **Confirm:** type the database's name

´´´sh run
touch x
´´´

´´´sh verify
test -e x
´´´
`

// TestLintFindsEachRule breaks one rule at a time, and names the line.
func TestLintFindsEachRule(t *testing.T) {
	t.Parallel()
	replace := func(old, with string) string {
		if !strings.Contains(sound, old) {
			t.Fatalf("the sound book has no %q", old)
		}
		return strings.Replace(sound, old, with, 1)
	}
	quiet := replace("- **Confirm:** type the database's name\n", "")
	tests := []struct {
		name, rule, book string
		line             int
	}{
		{"front matter without an end", ruleFrontMatter, "---\na: b\n" + sound, 1},
		{"front matter that is no YAML", ruleFrontMatter, "---\na: [\n---\n" + sound, 1},
		{"a role that is none", ruleBlock, replace("sh verify", "sh verifies") + "´´´sh verify\ntrue\n´´´\n", 12},
		{"a language that cannot run", ruleBlock, sound + "\n´´´python check\n1\n´´´\n", 16},
		{"a block without an end", ruleBlock, sound + "\n´´´sh check\ntrue\n", 16},
		{"a block outside of a step", ruleBlock, "´´´sh check\ntrue\n´´´\n\n" + sound, 1},
		{"an expect without a block", ruleBlock, "### 0. Zero\n\n´´´text expect\nx\n´´´\n\n" + sound, 3},
		{"an input with a bad name", ruleInput, "## You need\n\n|n|m|\n|-|-|\n|´A B´|x|\n\n" + sound, 5},
		{"an input twice", ruleInput, "## You need\n\n|n|m|\n|-|-|\n|´A´|x|\n|´A´|x|\n\n" + sound, 6},
		{"a branch without an arrow", ruleBranch, sound + "\n- If it rains, see [1](#1-one)\n", 16},
		{"a branch to what is no step", ruleBranch, sound + "\n- Otherwise -> [x](#else)\n\n## Else\n", 16},
		{"a branch to a number that no step has", ruleBranch, sound + "\n- Otherwise -> step 7.\n", 16},
		{"a time box to what is no step", ruleBranch, replace("1 min", "1 min, then [x](#else)") + "\n## Else\n", 4},
		{"no step", ruleNoStep, "# Nothing\n", 1},
		{"numbers that fall", ruleNumber, sound + "\n### 1. Again\n", 16},
		{"a broken link", ruleLink, sound + "\nSee\n[there](#nowhere).\n", 17},
		{"a branch to nowhere", ruleLink, sound + "\n- Otherwise -> [x](#nowhere)\n", 16},
		{"a missing verify", ruleVerify, replace("sh verify", "sh check"), 8},
		{"a verify before the run", ruleVerify, sound + "\n´´´sh run\ntouch x\n´´´\n", 16},
		{"no undo", ruleUndo, replace("- **Undo:** remove it\n", ""), 7},
		{"no undo, and no reason", ruleUndo, replace("remove it", "none."), 8},
		{"no otherwise", ruleOtherwise, sound + "\n- If ´HOME = x´ -> [1](#1-one)\n", 16},
		{"an unknown input", ruleUnknown, replace("touch x", `touch "$FILE"`), 8},
		{"an unknown input of SQL", ruleUnknown, sound + "\n´´´sql check\nSELECT :'it', 'a:b', 1::int;\n´´´\n", 16},
		{"an unknown input of a branch", ruleUnknown, sound + "\n- If ´it = x´ -> [1](#1-one)\n- Otherwise -> go on\n", 16},
		{"an unknown need", ruleUnknown, replace("- **Undo:", "- **Needs:** ´IT´\n- **Undo:"), 1},
		{"an editor", ruleInteractive, replace("touch x", "true\nvi x"), 10},
		{"a prompt", ruleInteractive, replace("touch x", "read answer"), 9},
		{"a psql that waits", ruleInteractive, replace("touch x", "psql -X"), 9},
		{"a sudo that asks", ruleInteractive, replace("touch x", "sudo touch x"), 9},
		{"a file that is followed", ruleInteractive, replace("touch x", "tail -f x"), 9},
		{"DROP TABLE", ruleDestructive, quiet + "´´´sql run\nDROP TABLE x;\n´´´\n\n´´´sql verify\nSELECT 1;\n´´´\n", 15},
		{"DELETE through psql", ruleDestructive, strings.Replace(quiet, "touch x", "psql -c 'DELETE FROM x'", 1), 8},
		{"rm -rf", ruleDestructive, strings.Replace(quiet, "touch x", "rm -rf x", 1), 8},
		{"volumes", ruleDestructive, strings.Replace(quiet, "touch x", "docker compose down -v", 1), 8},
		{"a time box without a time", ruleTimeBox, replace("1 min", "soon"), 4},
		{"no time box", ruleNoTimeBox, replace("- **Time box:** 1 min\n", ""), 1},
		{"no changes", ruleNoChanges, replace("- **Changes:** a file\n", ""), 1},
		{"an immediate stop", rulePitfall, replace("touch x", "pg_ctl stop -m immediate"), 9},
		{"pg_resetwal", rulePitfall, replace("touch x", "pg_resetwal x"), 9},
	}
	broken := make(map[string]bool)
	for _, test := range tests {
		broken[test.rule] = true
		findings := Lint(parse(t, test.book))
		if len(findings) != 1 || findings[0].Rule != test.rule || findings[0].Line != test.line || findings[0].Text == "" {
			t.Errorf("%s: want only %s in line %d, got %+v", test.name, test.rule, test.line, findings)
		}
	}
	for _, rule := range Rules() {
		if !broken[rule.Name] {
			t.Errorf("no test breaks the rule %s", rule.Name)
		}
	}
}

// TestLintIsContent with what looks alike and is in order.
func TestLintIsContent(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"as it is":      sound,
		"none, because": strings.Replace(sound, "remove it", "none, because a file is harmless", 1),
		"expect verifies": strings.Replace(strings.Replace(sound, "sh verify", "text expect", 1),
			"test -e x", "x", 1),
		"variables of its own": sound + `
´´´sh check
# $COMMENT
for t in 1 2; do x=$t; echo "$x $t ${DEEP:-nothing} $1 $$" '$SINGLE'; done
while read -r line; do echo "$line"; done < file
cat <<'END'
$INSIDE
END
awk '{ print $NF }' file
set -- ${MAYBE:+--file "$MAYBE"} ${OR:-}
echo \$ESCAPED covers=full >> "$OUT"
´´´

- If ´covers = full´ -> go on
- Otherwise -> stop
`,
		"variables of SQL": sound + "\n´´´sql check\n\\set n 1\nSELECT :n, now()::date, '12:30', a[1:2] FROM x; -- :comment\nSELECT 1 AS one \\gset\nSELECT :one, :'pgdatabase';\n´´´\n",
		"words of danger in strings": strings.Replace(sound, "- **Confirm:** type the database's name\n", "", 1) +
			"´´´sql run\nINSERT INTO log VALUES ('drop table x; truncate y'); -- delete from x\n´´´\n\n´´´sql verify\nSELECT 1;\n´´´\n",
		"commands that do not ask": strings.Replace(sound, "touch x", "psql -X -c 'SELECT 1'\npsql -X < file\nsudo -n true\ntail -n 3 x\nless=1", 1),
		"gives":                    strings.Replace(sound, "- **Undo:", "- **Gives:** ´N´\n- **Undo:", 1) + "\n### 2. Two\n\n´´´sh check\necho \"$N\"\n´´´\n",
	}
	for name, book := range tests {
		if findings := Lint(parse(t, book)); len(findings) > 0 {
			t.Errorf("%s: %+v", name, findings)
		}
	}
}

// TestRunbookOfTheRepository: the parser takes RUNBOOK.md as it is written.
func TestRunbookOfTheRepository(t *testing.T) {
	t.Parallel()
	book, err := Open("../../RUNBOOK.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(book.Inputs) < 5 || len(book.Steps) < 9 || book.First() == nil {
		t.Errorf("%d inputs, %d steps", len(book.Inputs), len(book.Steps))
	}
	allowed := []string{ruleOtherwise, ruleUndo}
	for _, f := range Lint(book) {
		if f.Level == LevelError && !slices.Contains(allowed, f.Rule) {
			t.Errorf("RUNBOOK.md:%d: %s: %s", f.Line, f.Rule, f.Text)
		}
	}
}

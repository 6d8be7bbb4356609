package runbook

import (
	"regexp"
	"strings"
)

// danger is a command that a rule looks for.
type danger struct {
	pattern, why string
}

// interactive lists commands that ask a person, or show something until somebody ends it.
func interactive() []danger {
	return []danger{
		{`(?m)(?:^|[;|&(]\s*|\bsudo\s+)(?:vi|vim|nano|emacs|less|more|man|top|htop|watch|passwd|visudo|crontab\s+-e)(?:[\s;|&)]|$)`, "it waits for a person at a terminal"},
		{`(?m)(?:^|[;|&(])\s*(?:while\s+)?read\s+(?:-\w+\s+)*-p`, "it asks for input"},
		{`(?m)(?:^|[;&(])\s*read\s+\w+\s*(?:$|;)`, "it asks for input"},
		{`\btail\s+(?:-\w*[fF]|--follow)`, "it never ends"},
		{`(?m)(?:^|[;&(]\s*)sudo\s+(?:[^-\s]|-[^nA-Z-])`, "sudo may ask for a password; sudo -n fails in place of it"},
		{`\brm\s+-\w*i`, "it asks for each file"},
		{`(?m)(?:^|[;&(])\s*psql(?:\s+-[XAtqw]+|\s+-d\s+\S+|\s+"?\$\w+"?)*\s*(?:$|#)`, "psql without -c, -f or a file on its input waits for a person"},
		{`\bdocker\s+(?:exec|run)\s+(?:-\w+\s+)*-(?:it|ti|t)\b`, "docker -t wants a terminal"},
		{`(?m)^\s*\\prompt\b`, "it asks for input"},
	}
}

// destructiveSQL lists statements that take rows, columns or tables away.
func destructiveSQL() []danger {
	return []danger{
		{`(?i)\bdrop\s+(?:table|schema|database|materialized\s+view|type|domain|column|owned|tablespace|sequence|foreign\s+table)\b`, "DROP"},
		{`(?i)\balter\s+table\b[^;]*\bdrop\b\s+(?:column\s+)?[^;]+`, "ALTER TABLE … DROP"},
		{`(?i)\btruncate\b`, "TRUNCATE"},
		{`(?i)\bdelete\s+from\b`, "DELETE"},
		{`(?i)\bupdate\s+(?:only\s+)?[\w."]+(?:\s+(?:as\s+)?\w+)?\s+set\b`, "UPDATE"},
		{`(?i)\bvacuum\s+(?:full|\(\s*full)`, "VACUUM FULL"},
	}
}

// destructiveShell lists commands that take files, databases or volumes away, or rows.
func destructiveShell() []danger {
	return []danger{
		{`\brm\s+(?:-\w+\s+)*-\w*[rR]`, "rm -r"},
		{`\bdropdb\b`, "dropdb"},
		{`\bpg_resetwal\b`, "pg_resetwal"},
		{`\bdocker[ -]compose\b.*\bdown\b.*(?:\s-v\b|--volumes)`, "docker compose down -v"},
		{`\bdocker\s+volume\s+(?:rm|prune)\b`, "docker volume rm"},
		{`\bkubectl\s+delete\b`, "kubectl delete"},
		{`\b(?:mkfs(?:\.\w+)?|wipefs|shred)\b`, "a file system is made anew"},
		{`\bdd\s+[^\n]*\bof=/dev/`, "dd onto a device"},
		{`\bpg_restore\b[^\n]*(?:\s-c\b|--clean)`, "pg_restore --clean"},
		{`\binitdb\b[^\n]*`, "initdb"},
		{`\bpgrescue\s+restore\s+(?:apply|undo)\b(?:[^\n-]|-[^-]|--[^d])*$`, "pgrescue restore apply"},
	}
}

// pitfalls lists commands that destroy evidence where people do not expect it.
func pitfalls() []danger {
	return []danger{
		{`(?:-m\s*|--mode=|--mode\s+)i(?:mmediate)?\b`, "a stop with -m immediate empties unlogged tables and the statistics at the next start: save them first"},
		{`\bpg_resetwal\b`, "pg_resetwal throws WAL away for good: copy the data directory first"},
		{`\b(?:kill|pkill|killall)\s+(?:-9|-KILL|-s\s+KILL)\b[^\n]*postgres`, "kill -9 on a server process makes all of them crash, which empties unlogged tables"},
		{`(?i)\b(?:pg_stat_reset|pg_stat_reset_shared)\b`, "this throws the statistics away, which are evidence"},
	}
}

// commands looks for dangers in a block.
func (l *linter) commands(step *Step, block *Block) {
	text := block.Text
	if block.Language == Shell {
		text = regexp.MustCompile(`(?m)(^|\s)#.*$`).ReplaceAllString(text, "$1")
	} else if !strings.Contains(text, `\gexec`) {
		// Where statements are made of strings and executed, the strings count.
		text = withoutStrings(text)
	}
	report := func(rule string, dangers []danger, format string) bool {
		for _, d := range dangers {
			if at := regexp.MustCompile(d.pattern).FindStringIndex(text); at != nil {
				l.add(rule, block.Line+1+strings.Count(text[:at[0]], "\n"), format, d.why)
				return true
			}
		}
		return false
	}
	report(ruleInteractive, interactive(), "the block runs without a person: %s")
	report(rulePitfall, pitfalls(), "%s")
	if block.Role != Run || step.Severe() {
		return
	}
	if block.Language == Shell && report(ruleDestructive, destructiveShell(), "%s needs a line **Confirm:** …") {
		return
	}
	report(ruleDestructive, destructiveSQL(), "%s needs a line **Confirm:** …")
}

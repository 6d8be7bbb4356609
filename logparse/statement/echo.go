package statement

import (
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/logparse/pyrepr"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Execution is a statement as a program's own log shows it, with parameters beside it.
type Execution struct {
	SQL string // its parameters are $1, $2 and so on
	// Sets are its parameters, one for each time that it ran; none if the log shows no parameters.
	Sets    []Parameters
	Missing int // how many sets the log leaves out
}

// Echo joins what SQLAlchemy's engine logs: a statement, and its parameters in the message behind it. One Echo
// takes the messages of one thread. Messages that two handlers wrote count once.
type Echo struct {
	statement string // that waits for its parameters
	last      string // the message before
}

// Take takes a message of the logger sqlalchemy.engine, and reports whether it completes an Execution. The words of
// transactions come as BEGIN, COMMIT and so on.
func (e *Echo) Take(message string) (Execution, bool) {
	message = strings.TrimSpace(message)
	if message == "" || message == e.last { // twice in a row: of two handlers
		return Execution{}, false
	}
	e.last = message
	if word, ok := echoedTransaction(message); ok {
		return Execution{SQL: word}, word != ""
	}
	if literal, ok := echoedParameters(message); ok {
		sql := e.statement
		e.statement = ""
		value, _, err := pyrepr.Parse(literal)
		if sql == "" || err != nil {
			return Execution{}, false
		}
		return bind(sql, &value), true
	}
	if strings.HasPrefix(message, "Col (") || strings.HasPrefix(message, "Row (") { // echo="debug": results
		return Execution{}, false
	}
	// A statement whose parameters were not logged was there all the same.
	before := e.statement
	e.statement = message
	return Execution{SQL: before}, before != ""
}

// Flush gives the statement whose parameters did not come.
func (e *Echo) Flush() (Execution, bool) {
	sql := e.statement
	e.statement = ""
	return Execution{SQL: sql}, sql != ""
}

// echoedTransaction reads "BEGIN (implicit)", "COMMIT using DBAPI connection.commit(), has no effect due to autocommit
// mode" and the like. What has no effect is "".
func echoedTransaction(message string) (string, bool) {
	for _, word := range []string{"BEGIN", "COMMIT", "ROLLBACK"} {
		rest, ok := strings.CutPrefix(message, word)
		if ok && (rest == "" || strings.HasPrefix(rest, " (") || strings.HasPrefix(rest, " using DBAPI")) {
			if strings.Contains(rest, "autocommit") {
				word = ""
			}
			return word, true
		}
	}
	words := ReadWords(message)
	return message, words.Transaction != NoTransaction
}

// echoedParameters finds the literal in "[generated in 0.00012s] {…}", and in a message that is one.
func echoedParameters(message string) (string, bool) {
	for _, how := range []string{"[generated in ", "[cached since ", "[no key ", "[raw sql]", "[caching disabled", "[dialect ", "[insertmanyvalues "} {
		if strings.HasPrefix(message, how) {
			_, literal, ok := strings.Cut(message, "] ")
			return literal, ok
		}
	}
	if !strings.ContainsRune("({[", rune(message[0])) {
		return "", false
	}
	value, n, err := pyrepr.Parse(message) // as before 1.4
	return message, err == nil && (n == len(message)) && (value.Kind == pyrepr.Dict || value.Kind == pyrepr.Tuple || value.Kind == pyrepr.List)
}

// ReadSQLAlchemyError reads the statement and its parameters out of an error of SQLAlchemy's: "[SQL: …]", and "[parameters: …]" on
// the line behind. It failed; what it would have written is known all the same.
func ReadSQLAlchemyError(text string) (Execution, bool) {
	_, rest, found := strings.Cut(text, "[SQL: ")
	if !found {
		return Execution{}, false
	}
	for _, between := range []string{"]\n[parameters: ", "]\r\n[parameters: ", "] [parameters: "} {
		sql, literal, ok := strings.Cut(rest, between)
		if !ok {
			continue
		}
		value, _, err := pyrepr.Parse(literal)
		if err != nil {
			return Execution{SQL: sql}, sql != ""
		}
		return bind(sql, &value), sql != ""
	}
	line, _, _ := strings.Cut(rest, "\n(Background on this error")
	sql := strings.TrimSuffix(strings.TrimSpace(line), "]")
	return Execution{SQL: sql}, sql != ""
}

// bind makes sets of parameters of what stands in the log.
func bind(sql string, value *pyrepr.Value) Execution {
	sets := []pyrepr.Value{*value}
	p := placeholders(sql, value)
	if len(value.Items) > 0 {
		if one := placeholders(sql, &value.Items[0]); many(value, one.places) {
			sets, p = value.Items, one
		}
	}
	execution := Execution{SQL: p.sql}
	for i := range sets {
		if sets[i].Kind == pyrepr.Lost {
			execution.Missing += sets[i].Missing
			continue
		}
		execution.Sets = append(execution.Sets, p.parameters(&sets[i]))
	}
	return execution
}

// many reports whether a literal holds sets, of so many values each, and is none itself. A list in a set is an array,
// and a tuple is none.
func many(value *pyrepr.Value, places int) bool {
	if len(value.Items) == 0 || (value.Kind != pyrepr.List && value.Kind != pyrepr.Tuple) || value.Items[0].Kind == pyrepr.Lost {
		return false
	}
	for i := range value.Items {
		switch item := &value.Items[i]; item.Kind {
		case pyrepr.Dict, pyrepr.Lost:
		case pyrepr.Tuple:
			if len(item.Items) != places && !item.Cut {
				return false
			}
		case pyrepr.List:
			if value.Kind == pyrepr.Tuple || (len(item.Items) != places && !item.Cut) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// placedSQL is a statement whose placeholders have become $1, $2 and so on.
type placedSQL struct {
	sql   string
	names []string // of each parameter; "": the next of a sequence
	// places is how many values a set has that is a sequence.
	places int
}

// placeholders replaces %(name)s, %s, :name and ? by numbers; $1 stays.
func placeholders(sql string, first *pyrepr.Value) placedSQL {
	p := &placer{sql: sql, named: first.Kind == pyrepr.Dict, set: first, percent: strings.Contains(sql, "%(") || strings.Contains(sql, "%s")}
	for at := 0; ; {
		t, ok, err := next(sql, at)
		if !ok || err != nil {
			p.out.WriteString(sql[at:])
			return placedSQL{sql: p.out.String(), names: p.names, places: max(p.highest, len(p.names))}
		}
		p.out.WriteString(sql[at:t.start])
		at = p.token(t)
	}
}

// placer goes over a statement.
type placer struct {
	sql     string
	set     *pyrepr.Value
	named   bool // the parameters are a dict
	percent bool // placeholders begin with %, and %% stands for %
	out     strings.Builder
	names   []string
	numbers map[string]int
	highest int // of the numbers that stood there before
}

// token writes a token or what replaces it, and gives where the next begins.
func (p *placer) token(t token) int {
	text := p.sql[t.start:t.end]
	rest := p.sql[t.end:]
	switch {
	case t.kind == tokenParam:
		number, _ := strconv.Atoi(text[1:])
		p.highest = max(p.highest, min(number, 1<<16))
	case p.percent && t.kind == tokenOperator && strings.HasSuffix(text, "%") && strings.Count(text, "%")%2 == 1:
		p.out.WriteString(strings.ReplaceAll(text[:len(text)-1], "%%", "%"))
		if name, after, ok := strings.Cut(rest, ")s"); ok && strings.HasPrefix(name, "(") {
			p.place(name[1:])
			return len(p.sql) - len(after)
		}
		if strings.HasPrefix(rest, "s") {
			p.place("")
			return t.end + 1
		}
		text = "%"
	case p.percent:
		text = strings.ReplaceAll(text, "%%", "%")
	case p.named && t.kind == tokenPunct && text == ":":
		if word, ok, err := next(p.sql, t.end); ok && err == nil && word.start == t.end && word.kind == tokenWord {
			name := p.sql[word.start:word.end]
			if _, found := p.set.Get(name); found {
				p.place(name)
				return word.end
			}
		}
	case !p.named && t.kind == tokenOperator && text == "?" && len(p.names) < len(p.set.Items):
		p.place("")
		return t.end
	}
	p.out.WriteString(text)
	return t.end
}

// place writes a number; a name keeps the one that it has.
func (p *placer) place(name string) {
	if p.numbers == nil {
		p.numbers = make(map[string]int)
	}
	number := p.numbers[name]
	if name == "" || number == 0 {
		p.names = append(p.names, name)
		number = len(p.names)
		p.numbers[name] = number
	}
	p.out.WriteString("$" + strconv.Itoa(number))
}

// parameters gives a set in the order of the numbers.
func (p *placedSQL) parameters(set *pyrepr.Value) Parameters {
	var values Parameters
	if set.Kind != pyrepr.Dict {
		for i := range set.Items {
			if set.Items[i].Kind == pyrepr.Lost { // from here on the log does not tell which is which
				break
			}
			values = append(values, set.Items[i].Known())
		}
		return values
	}
	for _, name := range p.names {
		value, ok := set.Get(name)
		if !ok {
			values = append(values, evidence.Value{State: evidence.Unknown, Reason: "the log does not show parameter " + name})
			continue
		}
		values = append(values, value.Known())
	}
	return values
}

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
)

// database is where the application's schema lives.
const database = "migration_db"

// world is the state of the story: its clock, its dice and its people.
type world struct {
	dice    *rand.Rand
	clock   time.Time // the application's clock, which goes forward by tick only
	db      *cluster.Session
	tenants []*tenant
	log     *backendLog
}

func newWorld(db *cluster.Session) *world {
	const seed = 20251007 // the day on which the data was lost
	return &world{
		dice: rand.New(rand.NewPCG(seed, seed)), db: db, log: &backendLog{now: time.Now},
		clock: time.Date(2025, time.September, 25, 8, 0, 0, 0, time.UTC),
	}
}

// tick moves the application's clock by some seconds and some microseconds.
func (w *world) tick(seconds int) time.Time {
	w.clock = w.clock.Add(time.Duration(1+w.dice.IntN(seconds+1))*time.Second + time.Duration(w.dice.IntN(1e6))*time.Microsecond)
	return w.clock
}

// uuid is a version 4 UUID from the dice.
func (w *world) uuid() string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], w.dice.Uint64())
	binary.LittleEndian.PutUint64(b[8:], w.dice.Uint64())
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// pick takes one of choices.
func pick[T any](w *world, choices ...T) T { return choices[w.dice.IntN(len(choices))] }

// score is a number between 0 and 1 with two digits.
func (w *world) score() float64 { return float64(50+w.dice.IntN(50)) / 100 }

// field is one column of a row to insert.
type field struct {
	column string
	value  any
}

// insert is the text of an INSERT of one row. Columns that are not named take
// their defaults, as in the application.
func insert(table string, fields ...field) string {
	columns := make([]string, len(fields))
	values := make([]string, len(fields))
	for i, f := range fields {
		columns[i], values[i] = f.column, literal(f.value)
	}
	return fmt.Sprintf("INSERT INTO migration.%s (%s) VALUES (%s)", table, strings.Join(columns, ", "), strings.Join(values, ", "))
}

// literal writes a value as an SQL literal. Maps and slices become JSON.
func literal(value any) string {
	switch v := value.(type) {
	case nil:
		return "NULL"
	case string:
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	case int:
		return strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case time.Time:
		return "'" + v.UTC().Format("2006-01-02 15:04:05.999999") + "+00'"
	default:
		return literal(jsonText(v))
	}
}

// jsonText writes JSON as the application's ORM does, with its keys sorted.
func jsonText(value any) string {
	text, err := json.Marshal(value)
	if err != nil { // the world makes nothing that JSON cannot hold
		return "null"
	}
	return string(text)
}

// transaction runs statements in one transaction.
func (w *world) transaction(ctx context.Context, statements ...string) error {
	return w.db.Exec(ctx, "BEGIN;\n"+strings.Join(statements, ";\n")+";\nCOMMIT")
}

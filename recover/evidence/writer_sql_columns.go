package evidence

// appendColumns appends the UPDATE that gives a row the values of columns that
// were dropped. The columns have to be made anew first; only a person can say
// with which constraints and defaults.
func (e *sqlEncoder) appendColumns(dst []byte, row *Row) []byte {
	if e.dropped != row.Relation {
		e.dropped = row.Relation
		for i, c := range row.Relation.Columns {
			if c.Dropped {
				dst = appendComment(dst, []byte("ALTER TABLE "+e.table+" ADD COLUMN "+e.columns[i]+" "+c.Type+";"))
			}
		}
	}
	key, why := findKey(row)
	if key == nil {
		e.unstated++
		dst = e.comment(dst, row, why+", so the row cannot be found by its key; this was it:")
		e.scratch = e.appendInsert(e.scratch[:0], row, appendLineLiteral)
		return appendComment(dst, e.scratch[:len(e.scratch)-1])
	}
	dst, set := e.appendSet(dst, row, func(i int) bool {
		c := &row.Relation.Columns[i]
		return c.Dropped && !c.Generated && !row.Values[i].unprintable()
	})
	if set == 0 {
		e.unstated++
		return e.comment(dst, row, "no value of the dropped columns is known and can be set")
	}
	return e.appendWhere(dst, row, key)
}

package datum

import (
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// The geometric types (utils/geo_decls.h) are made of float8 coordinates.

const pointSize = 16

// appendPoints prints count points, each in parentheses, between open and end;
// a zero byte there is none (path_encode in geo_ops.c).
func appendPoints(dst []byte, r *binreader.Reader, count int, open, end byte) []byte {
	if open != 0 {
		dst = append(dst, open)
	}
	for i := range count {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = pg.AppendFloat8(append(dst, '('), r.Float64())
		dst = pg.AppendFloat8(append(dst, ','), r.Float64())
		dst = append(dst, ')')
	}
	if end != 0 {
		dst = append(dst, end)
	}
	return dst
}

// appendPoint follows point_out (geo_ops.c).
func appendPoint(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	dst = appendPoints(dst, &r, 1, 0, 0)
	return dst, whole(&r, "point")
}

// appendLseg follows lseg_out (geo_ops.c).
func appendLseg(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	dst = appendPoints(dst, &r, 2, '[', ']')
	return dst, whole(&r, "lseg")
}

// appendBox follows box_out (geo_ops.c): the upper right corner comes first.
func appendBox(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	dst = appendPoints(dst, &r, 2, 0, 0)
	return dst, whole(&r, "box")
}

// appendLine follows line_out (geo_ops.c): the coefficients of Ax + By + C = 0.
func appendLine(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	dst = pg.AppendFloat8(append(dst, '{'), r.Float64())
	dst = pg.AppendFloat8(append(dst, ','), r.Float64())
	dst = pg.AppendFloat8(append(dst, ','), r.Float64())
	return append(dst, '}'), whole(&r, "line")
}

// appendCircle follows circle_out (geo_ops.c).
func appendCircle(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	dst = appendPoints(dst, &r, 1, '<', ',')
	dst = pg.AppendFloat8(dst, r.Float64())
	return append(dst, '>'), whole(&r, "circle")
}

// appendPath follows path_out (geo_ops.c). A word of padding precedes the points.
func appendPath(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	count, closed := int(r.Int32()), r.Int32() != 0
	r.Skip(4)
	if err := countPoints(&r, count, "path"); err != nil {
		return dst, err
	}
	open, end := byte('['), byte(']')
	if closed {
		open, end = '(', ')'
	}
	dst = appendPoints(dst, &r, count, open, end)
	return dst, whole(&r, "path")
}

// appendPolygon follows poly_out (geo_ops.c). Its bounding box precedes the points.
func appendPolygon(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	count := int(r.Int32())
	r.Skip(2 * pointSize)
	if err := countPoints(&r, count, "polygon"); err != nil {
		return dst, err
	}
	dst = appendPoints(dst, &r, count, '(', ')')
	return dst, whole(&r, "polygon")
}

// countPoints checks that the rest of the bytes is as many points as they say.
func countPoints(r *binreader.Reader, count int, typeName string) error {
	if r.OK() && (count < 0 || r.Remaining() != count*pointSize) {
		return fmt.Errorf("%s: %d points in %d bytes", typeName, count, r.Remaining())
	}
	if !r.OK() {
		return fmt.Errorf("%s: %w", typeName, r.Err())
	}
	return nil
}

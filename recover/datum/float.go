package datum

import (
	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// appendFloat4 follows float4out (float.c).
func appendFloat4(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	v := r.Float32()
	if err := whole(&r, "real"); err != nil {
		return dst, err
	}
	return pg.AppendFloat4(dst, v), nil
}

// appendFloat8 follows float8out (float.c).
func appendFloat8(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	v := r.Float64()
	if err := whole(&r, "double precision"); err != nil {
		return dst, err
	}
	return pg.AppendFloat8(dst, v), nil
}

package datum

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/pgrescue/pgrescue/recover/binreader"
)

// PostGIS stores geometry and geography in its own form, GSERIALIZED, of which
// there are two versions (gserialized1.c and gserialized2.c of that project):
//
//	the SRID in 21 bits of three bytes, the flags, with some flags eight bytes of
//	further ones, with some a bounding box of floats, and the geometry.
//
// A geometry is its type, a count, and as many points or geometries; a polygon
// has the counts of the points of its rings before the points.
const (
	gisFlagZ        = 0x01
	gisFlagM        = 0x02
	gisFlagBox      = 0x04
	gisFlagGeodetic = 0x08
	gisFlagExtended = 0x10 // version 2 only
	gisVersion2     = 0x40

	gisPoint       = 1
	gisLine        = 2
	gisPolygon     = 3
	gisCircString  = 8
	gisTriangle    = 14
	gisTypes       = 15
	maxGISNesting  = 1 << 10
	wkbZ           = 0x80000000
	wkbM           = 0x40000000
	wkbSRID        = 0x20000000
	wkbLittle      = 1
	gisGeometryMin = 8
)

// wkbTypes are the numbers that EWKB has for PostGIS's own (lwout_wkb.c).
func wkbTypes() [gisTypes + 1]uint32 {
	return [...]uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 17, 16}
}

// gisReader turns a serialized geometry into EWKB.
type gisReader struct {
	binreader.Reader
	dimensions int
	flags      uint32 // of dimensions, as EWKB has them
}

var errGISType = errors.New("geometry: unknown type")

// appendGeometry prints EWKB in upper-case hexadecimal, as the output functions
// of geometry and geography do.
func appendGeometry(dst, raw []byte) ([]byte, error) {
	g := gisReader{Reader: binreader.New(raw), dimensions: 2}
	b := g.Bytes(4)
	if !g.OK() {
		return dst, fmt.Errorf("geometry: %w", g.Err())
	}
	// 21 bits with a sign.
	srid := uint32(int32((uint32(b[0])<<16|uint32(b[1])<<8|uint32(b[2]))<<11) >> 11)
	flags := b[3]
	if flags&gisFlagZ != 0 {
		g.dimensions, g.flags = g.dimensions+1, g.flags|wkbZ
	}
	if flags&gisFlagM != 0 {
		g.dimensions, g.flags = g.dimensions+1, g.flags|wkbM
	}
	if flags&gisVersion2 != 0 && flags&gisFlagExtended != 0 {
		g.Skip(8)
	}
	if flags&gisFlagBox != 0 {
		box := g.dimensions
		if flags&gisFlagGeodetic != 0 {
			box = 3
		}
		g.Skip(2 * 4 * box)
	}
	binary, err := g.appendShape(nil, srid, 0)
	if err == nil && g.Remaining() != 0 {
		err = fmt.Errorf("geometry: %d bytes too many", g.Remaining())
	}
	if err != nil {
		return dst, err
	}
	return append(dst, strings.ToUpper(hex.EncodeToString(binary))...), nil
}

// appendShape writes the next geometry as EWKB. Only the outermost says its SRID.
func (g *gisReader) appendShape(dst []byte, srid uint32, depth int) (_ []byte, err error) {
	kind, count := g.Uint32(), int(g.Uint32())
	if !g.OK() {
		return dst, fmt.Errorf("geometry: %w", g.Err())
	}
	if kind < gisPoint || kind > gisTypes || depth > maxGISNesting {
		return dst, fmt.Errorf("%w %d", errGISType, kind)
	}
	le := binary.LittleEndian
	word := wkbTypes()[kind] | g.flags
	if srid != 0 {
		word |= wkbSRID
	}
	dst = le.AppendUint32(append(dst, wkbLittle), word)
	if srid != 0 {
		dst = le.AppendUint32(dst, srid)
	}
	switch kind {
	case gisPoint:
		if count == 0 { // an empty point has no coordinates that are numbers
			for range g.dimensions {
				dst = le.AppendUint64(dst, math.Float64bits(math.NaN())&^1)
			}
			return dst, nil
		}
		return g.appendPoints(dst, count)
	case gisLine, gisCircString:
		return g.appendPoints(le.AppendUint32(dst, uint32(count)), count)
	case gisTriangle:
		if count == 0 {
			return le.AppendUint32(dst, 0), nil
		}
		dst = le.AppendUint32(le.AppendUint32(dst, 1), uint32(count))
		return g.appendPoints(dst, count)
	case gisPolygon:
		return g.appendRings(le.AppendUint32(dst, uint32(count)), count)
	}
	if count > g.Remaining()/gisGeometryMin {
		return dst, fmt.Errorf("geometry: %d parts in %d bytes", count, g.Remaining())
	}
	dst = le.AppendUint32(dst, uint32(count))
	for range count {
		if dst, err = g.appendShape(dst, 0, depth+1); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendPoints copies the coordinates of points.
func (g *gisReader) appendPoints(dst []byte, count int) ([]byte, error) {
	points := g.Bytes(count * g.dimensions * 8)
	if !g.OK() {
		return dst, fmt.Errorf("geometry: %d points: %w", count, g.Err())
	}
	return append(dst, points...), nil
}

// appendRings copies the rings of a polygon, whose counts are padded to eight bytes.
func (g *gisReader) appendRings(dst []byte, count int) (_ []byte, err error) {
	counts := binreader.New(g.Bytes(4 * count))
	if count%2 != 0 {
		g.Skip(4)
	}
	if !g.OK() {
		return dst, fmt.Errorf("geometry: %d rings: %w", count, g.Err())
	}
	for range count {
		points := counts.Uint32()
		dst = binary.LittleEndian.AppendUint32(dst, points)
		if dst, err = g.appendPoints(dst, int(points)); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

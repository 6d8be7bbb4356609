package datum_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// geometries lists every kind of geometry, with and without points, further
// dimensions and an SRID.
func geometries() []string {
	return strings.Split(`POINT(1 2)
SRID=4326;POINT(1 2)
POINT Z (1 2 3)
POINT M (1 2 3)
POINT ZM (1 2 3 4)
POINT EMPTY
SRID=4326;POINT EMPTY
POINT Z EMPTY
POINT ZM EMPTY
LINESTRING(0 0,1 1,2 0)
LINESTRING EMPTY
LINESTRING Z (0 0 1,1 1 2)
POLYGON((0 0,1 0,1 1,0 0))
POLYGON((0 0,9 0,9 9,0 0),(1 1,2 1,2 2,1 1))
POLYGON EMPTY
SRID=3857;POLYGON Z ((0 0 1,1 0 1,1 1 1,0 0 1))
MULTIPOINT(1 2,3 4)
MULTIPOINT EMPTY
MULTILINESTRING((0 0,1 1),(2 2,3 3,4 4))
MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))
GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1),POLYGON EMPTY,POINT EMPTY)
SRID=4326;GEOMETRYCOLLECTION(POINT(1 2))
GEOMETRYCOLLECTION EMPTY
CIRCULARSTRING(0 0,1 1,2 0)
COMPOUNDCURVE(CIRCULARSTRING(0 0,1 1,2 0),(2 0,3 1))
CURVEPOLYGON(CIRCULARSTRING(0 0,4 0,4 4,0 4,0 0))
MULTICURVE((0 0,5 5),CIRCULARSTRING(4 0,4 4,8 4))
MULTISURFACE(CURVEPOLYGON(CIRCULARSTRING(0 0,4 0,4 4,0 4,0 0)))
POLYHEDRALSURFACE Z(((0 0 0,0 0 1,0 1 1,0 0 0)))
TRIANGLE((0 0,0 9,9 0,0 0))
TIN(((0 0,0 9,9 0,0 0)))
TRIANGLE EMPTY
TIN EMPTY
POLYHEDRALSURFACE EMPTY
SRID=999999;POINT(1e300 -1e-300)
GEOMETRYCOLLECTION(GEOMETRYCOLLECTION(GEOMETRYCOLLECTION(POINT Z (1 2 3))))`, "\n")
}

// TestOraclePostGIS compares geometries and geographies with COPY: EWKB in
// hexadecimal. Debian's postgresql-15-postgis-3 is needed; .ci/install brings it.
func TestOraclePostGIS(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", "CREATE EXTENSION postgis")
	r := rand.New(rand.NewPCG(1, 2))
	random := sample{name: "geometry", fixed: geometries(), more: func(r *rand.Rand) string {
		text := "LINESTRING Z ("
		for i := range 2 + r.IntN(400)>>r.IntN(8) {
			text += fmt.Sprintf("%s%g %g %d", []string{"", ","}[min(i, 1)], r.NormFloat64(), 100*r.NormFloat64(), i)
		}
		return text + ")"
	}}
	sampleTable(t, c, random, "shapes", r)
	places := sample{name: "geography", fixed: []string{"POINT(1 2)", "POINT EMPTY", "POLYGON((0 0,9 0,9 9,0 0))", "GEOMETRYCOLLECTION(POINT(1 2))"}, more: func(r *rand.Rand) string {
		return fmt.Sprintf("LINESTRING(%d %d,%d.5 7)", r.IntN(180), r.IntN(90), r.IntN(90))
	}}
	sampleTable(t, c, places, "places", r)
	db := snapshot(t, c)
	for _, name := range []string{"shapes", "places"} {
		compare(t, decodeTable(t, c, db, table(t, db, name)), clustertest.CopyOut(t, c, "postgres", "SELECT * FROM "+name))
	}
}

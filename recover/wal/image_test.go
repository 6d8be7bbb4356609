//go:build unix

package wal_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// A restored image is the page that the server then wrote to the relation file,
// whatever the compression. Each page is changed once after the checkpoint, so
// nothing but the LSN and the checksum is set later.
func TestRestoreImageGivesThePage(t *testing.T) {
	t.Parallel()
	for version, tables := range map[string]map[wal.Compression]string{
		"13": {wal.CompressionNone: "off", wal.CompressionPGLZ: "on"},
		"15": {wal.CompressionNone: "off", wal.CompressionPGLZ: "pglz", wal.CompressionLZ4: "lz4", wal.CompressionZSTD: "zstd"},
		"17": {wal.CompressionNone: "off", wal.CompressionPGLZ: "pglz"},
	} {
		if testing.Short() && version != clustertest.DefaultVersion { // it has every compression
			continue
		}
		t.Run("pg"+version, func(t *testing.T) {
			t.Parallel()
			restoreImages(t, version, tables)
		})
	}
}

// restoreImages compares images of each compression; tables has the value of wal_compression for each.
func restoreImages(t *testing.T, version string, tables map[wal.Compression]string) {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Version: version, Settings: map[string]string{"wal_keep_size": "1GB", "shared_buffers": "32MB"}})
	files := map[pg.RelFileNumber]string{}
	method := map[pg.RelFileNumber]wal.Compression{}
	for compression, setting := range tables {
		table := "t_" + setting
		clustertest.Exec(t, c, "postgres",
			"CREATE TABLE "+table+" AS SELECT i, repeat(md5(i::text), 1 + i % 30) AS filler, random() FROM generate_series(1, 6000) i",
			"CHECKPOINT", "SET wal_compression = '"+setting+"'",
			// Of one transaction's rows each page holds one: its first. The scan has set all hint bits before.
			fmt.Sprintf("SELECT count(*) FROM %s; DELETE FROM %s WHERE ctid::text LIKE '%%,1)'", table, table))
		node, err := strconv.ParseUint(clustertest.Value(t, c, "postgres", "SELECT pg_relation_filenode('"+table+"')"), 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		files[pg.RelFileNumber(node)] = clustertest.Value(t, c, "postgres", "SELECT pg_relation_filepath('"+table+"')")
		method[pg.RelFileNumber(node)] = compression
	}
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	images := deletedPages(t, c.DataDir(), files)
	compared := map[wal.Compression]int{}
	for place, image := range images {
		data, err := os.ReadFile(filepath.Join(c.DataDir(), files[place.file]))
		if err != nil {
			t.Fatal(err)
		}
		page := data[int(place.block)*pg.BlockSize:][:pg.BlockSize]
		lower, upper := binary.LittleEndian.Uint16(page[12:]), binary.LittleEndian.Uint16(page[14:])
		clear(page[lower:upper])
		const behindChecksum = 10
		if !bytes.Equal(image.page[behindChecksum:], page[behindChecksum:]) {
			t.Errorf("block %d of %s: the image differs from the page at byte %d", place.block, tables[method[place.file]],
				behindChecksum+firstDifference(image.page[behindChecksum:], page[behindChecksum:]))
		}
		if image.compression == method[place.file] {
			compared[image.compression]++
		}
	}
	for compression, setting := range tables {
		if compared[compression] < 50 {
			t.Errorf("%s: only %d images were compared", setting, compared[compression])
		}
	}
}

func firstDifference(x, y []byte) int {
	for i := range x {
		if x[i] != y[i] {
			return i
		}
	}
	return len(x)
}

type place struct {
	file  pg.RelFileNumber
	block pg.BlockNumber
}

type restored struct {
	page        []byte
	compression wal.Compression
}

// deletedPages restores the images that DELETE records carry.
func deletedPages(t *testing.T, dataDir string, files map[pg.RelFileNumber]string) map[place]restored {
	t.Helper()
	a, err := wal.OpenArchive([]string{dataDir}, wal.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close() //nolint:errcheck // opened for reading only
	pages := map[place]restored{}
	var restorer wal.Restorer
	err = wal.Scan(context.Background(), a, wal.ScanOptions{Workers: 1, Rmgrs: wal.Rmgrs(wal.RmgrHeap)},
		func() *struct{} { return &struct{}{} },
		func(_ *struct{}, rec *wal.Record) error {
			if rec.HeapOp() != wal.HeapDelete || !rec.Blocks[0].HasImage {
				return nil
			}
			b := &rec.Blocks[0]
			if _, wanted := files[b.Relation.Relation]; !wanted {
				return nil
			}
			page := make([]byte, pg.BlockSize)
			if err := restorer.RestoreImage(page, b); err != nil {
				return err
			}
			pages[place{b.Relation.Relation, b.Block}] = restored{page, b.Image.Compression}
			return nil
		},
		func(_ *struct{}, span *wal.Span) error {
			if len(span.Gaps) > 0 {
				return fmt.Errorf("gaps %v", span.Gaps)
			}
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// An image that is damaged is an error, never a wrong page, a panic or a write past the page.
func TestRestoreImageRefusesDamage(t *testing.T) {
	t.Parallel()
	page := make([]byte, pg.BlockSize)
	for name, image := range map[string]wal.Image{
		"none too short":       {Stored: make([]byte, 100), HoleOffset: 10, HoleLength: 20},
		"hole too long":        {Stored: make([]byte, 100), HoleOffset: 10, HoleLength: 9000, Compression: wal.CompressionPGLZ},
		"hole behind the end":  {Stored: make([]byte, 8000), HoleOffset: 8100, HoleLength: 192},
		"empty pglz":           {Compression: wal.CompressionPGLZ},
		"pglz looks back":      {Stored: []byte{1, 0xff, 0xff, 0xff}, HoleOffset: 1, HoleLength: 8000, Compression: wal.CompressionPGLZ},
		"lz4 garbage":          {Stored: bytes.Repeat([]byte{0xff}, 40), Compression: wal.CompressionLZ4},
		"zstd garbage":         {Stored: bytes.Repeat([]byte{0x28}, 40), Compression: wal.CompressionZSTD},
		"zstd of another size": {Stored: zstdFrame(100), Compression: wal.CompressionZSTD},
		"zstd too long":        {Stored: zstdFrame(1 << 20), Compression: wal.CompressionZSTD},
		"unknown method":       {Stored: make([]byte, 8192), Compression: 9},
	} {
		var restorer wal.Restorer
		if err := restorer.RestoreImage(page, &wal.BlockRef{HasImage: true, Image: image}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	var restorer wal.Restorer
	if err := restorer.RestoreImage(page, &wal.BlockRef{}); err == nil {
		t.Error("a block without an image: no error")
	}
	if err := restorer.RestoreImage(page[:100], &wal.BlockRef{HasImage: true}); err == nil {
		t.Error("no room for a page: no error")
	}
}

// zstdFrame is a zstd frame of n zero bytes, one run-length block after the other.
func zstdFrame(n int) []byte {
	const runLength = 1
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0}
	frame = binary.LittleEndian.AppendUint32(frame, uint32(n))
	for n > 0 {
		size := min(n, 1<<17)
		n -= size
		block := uint32(size)<<3 | runLength<<1
		if n == 0 {
			block |= 1
		}
		frame = append(frame, byte(block), byte(block>>8), byte(block>>16), 0)
	}
	return frame
}

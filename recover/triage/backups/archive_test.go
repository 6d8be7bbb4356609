package backups

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

// archiveOf writes an archive's head as pg_backup_archiver.c does, of a version of the format.
func archiveOf(minor byte, tables ...string) []byte {
	var b bytes.Buffer
	number := func(n int64) {
		sign := byte(0)
		if n < 0 {
			sign, n = 1, -n
		}
		b.WriteByte(sign)
		b.Write(binary.LittleEndian.AppendUint32(nil, uint32(n)))
	}
	text := func(s string) { number(int64(len(s))); b.WriteString(s) }
	b.WriteString(archiveMagic)
	b.Write([]byte{1, minor, 0, 4, 8, formatCustom})
	if minor >= 15 {
		b.WriteByte(2) // lz4
	} else {
		number(-1)
	}
	for _, n := range []int64{1, 2, 3, 26, 10, 126, 0} { // 2026-11-26 03:02:01
		number(n)
	}
	text("shop")
	text(fmt.Sprintf("%d.1", minor+1))
	text("17.1")
	number(int64(len(tables)))
	for i, table := range tables {
		number(int64(i + 1))
		number(1)
		text("0")
		text("16384")
		text(table)
		text("TABLE DATA")
		number(3)
		text("")
		text("")
		text("COPY …")
		text("public")
		text("")
		text("heap")
		if minor >= 16 {
			number('r')
		}
		text("owner")
		text("false")
		text("12")
		number(-1)
		b.Write(make([]byte, 9)) // where the data is
	}
	return b.Bytes()
}

// TestArchivesOfVersions: 14 is that of PostgreSQL 12 to 15, 15 of 16, 16 of 17 and later.
func TestArchivesOfVersions(t *testing.T) {
	t.Parallel()
	for _, minor := range []byte{14, 15, 16} {
		var b Backup
		raw := archiveOf(minor, "orders", "lines")
		if err := readArchive(bytes.NewReader(raw), &b); err != nil {
			t.Errorf("1.%d: %v", minor, err)
		}
		want := time.Date(2026, 11, 26, 3, 2, 1, 0, time.UTC)
		if len(b.Tables) != 2 || b.Tables[1].Name != "lines" || b.Tables[0].Schema != "public" || !b.Whole || b.Database != "shop" || !b.Begun.Equal(want) {
			t.Errorf("1.%d: %+v", minor, b)
		}
		for cut := range len(raw) - 1 {
			var part Backup
			if err := readArchive(bytes.NewReader(raw[:cut]), &part); err == nil || part.Whole {
				t.Errorf("1.%d cut at %d of %d is whole", minor, cut, len(raw))
			}
		}
	}
	var b Backup
	if err := readArchive(bytes.NewReader([]byte("PGDMP\x02\x00\x00\x04\x08\x01")), &b); err == nil {
		t.Error("an archive of version 2 was read")
	}
}

// FuzzReadArchive: any bytes are an error or an archive, in bounded memory.
func FuzzReadArchive(f *testing.F) {
	f.Add(archiveOf(14, "orders"))
	f.Add(archiveOf(16, "orders", "lines"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var b Backup
		if err := readArchive(bytes.NewReader(raw), &b); err == nil && len(b.Tables) > len(raw) {
			t.Errorf("%d tables out of %d bytes", len(b.Tables), len(raw))
		}
	})
}

package heap

import (
	"encoding/binary"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// The page checksum runs 32 hashes of the FNV-1a kind beside each other, one
// for each column of a page seen as rows of 32 words (storage/checksum_impl.h).
const (
	checksumLanes = 32
	checksumPrime = 16777619
	checksumRow   = checksumLanes * 4 // bytes
)

// checksumBase is where each lane starts (checksumBaseOffsets).
func checksumBase() [checksumLanes]uint32 {
	return [checksumLanes]uint32{
		0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
		0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
		0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
		0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
	}
}

// Checksum computes the checksum that a page should carry at its block number
// (pg_checksum_page in storage/checksum_impl.h). The checksum stored on the page
// does not enter. A page of another size than pg.BlockSize gives 0, which is
// never a checksum.
func Checksum(page Page, block pg.BlockNumber) uint16 {
	if len(page) != pg.BlockSize {
		return 0
	}
	bytes := (*[pg.BlockSize]byte)(page)
	base := checksumBase()
	sum := uint32(0)
	for lane := 0; lane < checksumLanes; lane += 8 {
		sum ^= checksumOctet(bytes, (*[8]uint32)(base[lane:lane+8]), lane)
	}
	return uint16((sum^uint32(block))%65535 + 1)
}

// VerifyChecksum reports whether the checksum stored on the page is the one it
// should carry. It means something only in a cluster with data checksums, and
// a page of zeros never has one.
func VerifyChecksum(page Page, block pg.BlockNumber) bool {
	h, err := page.Header()
	return err == nil && h.Checksum == Checksum(page, block)
}

// checksumMix is one round (CHECKSUM_COMP).
func checksumMix(sum, word uint32) uint32 {
	mixed := sum ^ word
	return mixed*checksumPrime ^ mixed>>17
}

// checksumOctet runs eight lanes over the whole page. Eight sums fit the
// registers, which makes it several times faster than all 32 at once in memory.
func checksumOctet(page *[pg.BlockSize]byte, base *[8]uint32, lane int) uint32 {
	s0, s1, s2, s3, s4, s5, s6, s7 := base[0], base[1], base[2], base[3], base[4], base[5], base[6], base[7]
	for at := lane * 4; at <= pg.BlockSize-32; at += checksumRow {
		row := page[at : at+32 : at+32]
		s0 = checksumMix(s0, binary.LittleEndian.Uint32(row[0:4]))
		s1 = checksumMix(s1, binary.LittleEndian.Uint32(row[4:8]))
		// pd_checksum is the low half of the third word of the page and counts as zero.
		s2 = checksumMix(s2, maskChecksum(binary.LittleEndian.Uint32(row[8:12]), at))
		s3 = checksumMix(s3, binary.LittleEndian.Uint32(row[12:16]))
		s4 = checksumMix(s4, binary.LittleEndian.Uint32(row[16:20]))
		s5 = checksumMix(s5, binary.LittleEndian.Uint32(row[20:24]))
		s6 = checksumMix(s6, binary.LittleEndian.Uint32(row[24:28]))
		s7 = checksumMix(s7, binary.LittleEndian.Uint32(row[28:32]))
	}
	result := uint32(0)
	for _, s := range [...]uint32{s0, s1, s2, s3, s4, s5, s6, s7} {
		result ^= checksumMix(checksumMix(s, 0), 0)
	}
	return result
}

// maskChecksum clears pd_checksum when the word at byte at+8 of the page holds it.
func maskChecksum(word uint32, at int) uint32 {
	if at == 0 {
		return word &^ 0xFFFF
	}
	return word
}

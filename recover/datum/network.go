package datum

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/binreader"
)

// The address families on disk (utils/inet.h): they are PostgreSQL's own numbers.
const (
	familyIPv4 = 2 // PGSQL_AF_INET
	familyIPv6 = 3 // PGSQL_AF_INET6
)

func appendInet(dst, raw []byte) ([]byte, error) { return appendNetwork(dst, raw, false) }

func appendCIDR(dst, raw []byte) ([]byte, error) { return appendNetwork(dst, raw, true) }

// appendNetwork follows network_out (network.c). A cidr always shows the length
// of its mask, an inet only when it is not that of a single host.
func appendNetwork(dst, raw []byte, always bool) ([]byte, error) {
	r := binreader.New(raw)
	family, length := r.Uint8(), r.Uint8()
	full := uint8(32)
	switch family {
	case familyIPv4:
		address := r.Bytes(4)
		if r.OK() {
			dst = appendIPv4(dst, [4]byte(address))
		}
	case familyIPv6:
		full = 128
		address := r.Bytes(16)
		if r.OK() {
			dst = appendIPv6(dst, [16]byte(address))
		}
	default:
		return dst, fmt.Errorf("inet: unknown address family %d", family)
	}
	if err := whole(&r, "inet"); err != nil {
		return dst, err
	}
	if length > full {
		return dst, fmt.Errorf("inet: a mask of %d bits, want at most %d", length, full)
	}
	if always || length != full {
		dst = strconv.AppendUint(append(dst, '/'), uint64(length), 10)
	}
	return dst, nil
}

func appendIPv4(dst []byte, address [4]byte) []byte {
	for i, b := range address {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = strconv.AppendUint(dst, uint64(b), 10)
	}
	return dst
}

// appendIPv6 shortens the first of the longest runs of two or more zero words,
// and prints the last four bytes in decimal where the address carries an IPv4
// address (inet_net_ntop.c).
func appendIPv6(dst []byte, address [16]byte) []byte {
	var words [8]uint16
	for i := range words {
		words[i] = binary.BigEndian.Uint16(address[2*i:])
	}
	start, run := longestZeros(words)
	carriesIPv4 := start == 0 && (run == 6 || run == 7 && words[7] != 1 || run == 5 && words[5] == 0xFFFF)
	for i := 0; i < len(words); i++ {
		if run > 0 && i == start {
			dst = append(dst, ':')
			i += run - 1
			if i == len(words)-1 {
				dst = append(dst, ':')
			}
			continue
		}
		if i > 0 {
			dst = append(dst, ':')
		}
		if i == 6 && carriesIPv4 {
			return appendIPv4(dst, [4]byte(address[12:]))
		}
		dst = strconv.AppendUint(dst, uint64(words[i]), 16)
	}
	return dst
}

// longestZeros finds the first of the longest runs of zero words; a run of one
// does not count.
func longestZeros(words [8]uint16) (start, run int) {
	for i := 0; i < len(words); i++ {
		n := 0
		for i+n < len(words) && words[i+n] == 0 {
			n++
		}
		if n > run && n > 1 {
			start, run = i, n
		}
		i += n
	}
	return start, run
}

func appendMacaddr(dst, raw []byte) ([]byte, error) { return appendColons(dst, raw, 6, "macaddr") }

func appendMacaddr8(dst, raw []byte) ([]byte, error) { return appendColons(dst, raw, 8, "macaddr8") }

// appendColons follows macaddr_out (mac.c) and macaddr8_out (mac8.c).
func appendColons(dst, raw []byte, length int, typeName string) ([]byte, error) {
	r := binreader.New(raw)
	b := r.Bytes(length)
	if err := whole(&r, typeName); err != nil {
		return dst, err
	}
	const digits = "0123456789abcdef"
	for i, c := range b {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return dst, nil
}

package xlsxfile

import (
	"math"
	"strconv"
	"time"
)

const (
	dayMillis = 24 * 60 * 60 * 1000
	// The last day is 31 December 9999.
	lastDay1900 = 2958465
	lastDay1904 = 2957003
	// longestElapsed bounds elapsed time, in days.
	longestElapsed = 10_000_000
)

// appendSerial appends the date or time that a serial number is by its format, in ISO's form.
// The reason says why there is none.
//
// Days count from 1 January 1900, which is 1, and 29 February 1900 is counted too, which never
// was: it is 60. In a book that counts from 1904, 1 January 1904 is 0. Excel keeps time to the
// millisecond.
func appendSerial(dst []byte, serial float64, kind formatKind, from1904 bool) (_ []byte, reason string) {
	if kind == isElapsed {
		return appendElapsed(dst, serial)
	}
	last := float64(lastDay1900)
	if from1904 {
		last = lastDay1904
	}
	if serial < 0 || math.IsNaN(serial) {
		return dst, "is negative, and no date in Excel"
	}
	if serial >= last+1 {
		return dst, "is beyond the year 9999"
	}
	whole := math.Floor(serial)
	day, millis := int(whole), int64(math.Round((serial-whole)*dayMillis))
	if millis == dayMillis && kind != isTime {
		day, millis = day+1, 0
	}
	if kind == isTime || kind == isMoment && day == 0 {
		if day == 0 {
			return appendClock(dst, millis), ""
		}
		kind = isDateTime // shown as a time of day, and is one of a certain day
	}
	if dst, reason = appendDay(dst, day, from1904); reason != "" {
		return dst, reason
	}
	if kind == isDateTime || millis != 0 {
		dst = appendClock(append(dst, ' '), millis)
	}
	return dst, ""
}

func appendDay(dst []byte, day int, from1904 bool) (_ []byte, reason string) {
	var begin time.Time
	switch {
	case from1904:
		begin = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	case day == 0:
		return dst, "is the day 0 January 1900 of Excel, which is no date"
	case day == 60:
		return dst, "is 29 February 1900 in Excel, a day that never was"
	case day < 60:
		begin = time.Date(1899, 12, 31, 0, 0, 0, 0, time.UTC)
	default:
		begin = time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	}
	if date := begin.AddDate(0, 0, day); date.Year() <= 9999 {
		return date.AppendFormat(dst, time.DateOnly), ""
	}
	return dst, "is beyond the year 9999"
}

// appendElapsed appends hours, minutes and seconds.
func appendElapsed(dst []byte, days float64) (_ []byte, reason string) {
	if math.IsNaN(days) || math.Abs(days) > longestElapsed {
		return dst, "is beyond any time that has elapsed"
	}
	if days < 0 {
		dst, days = append(dst, '-'), -days
	}
	return appendClock(dst, int64(math.Round(days*dayMillis))), ""
}

func appendClock(dst []byte, millis int64) []byte {
	seconds := millis / 1000
	dst = appendTwo(dst, seconds/3600)
	dst = appendTwo(append(dst, ':'), seconds/60%60)
	dst = appendTwo(append(dst, ':'), seconds%60)
	if millis %= 1000; millis != 0 {
		dst = append(dst, '.', byte('0'+millis/100), byte('0'+millis/10%10), byte('0'+millis%10))
	}
	return dst
}

func appendTwo(dst []byte, n int64) []byte {
	if n < 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, n, 10)
}

package flowfile

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/scanhound/scanhound/schema"
)

const (
	// bufferSize is how much is read at once, and the longest line.
	bufferSize = 64 << 10

	// maxLayers bounds gzip within zstd within gzip: people pack twice by accident.
	maxLayers = 4

	// maxWindow bounds what a zstd file makes us allocate. It is what the zstd
	// program unpacks without being told to take more (ZSTD_WINDOWLOG_LIMIT_DEFAULT).
	maxWindow = 128 << 20
)

// input is the content of one file, unpacked.
type input struct {
	*bufio.Reader
	name    string      // as people call it
	changed schema.Time // when the file was; 0 on standard input
	disk    *watched    // the bytes as they are stored
	content *watched    // the bytes unpacked
	closers []func()
}

// open opens a file and sets up its unpacking.
func open(name string, stdin io.Reader) (*input, error) {
	in := &input{name: name}
	if name == "-" {
		in.name = "standard input"
		if stdin == nil {
			stdin = bytes.NewReader(nil)
		}
		in.disk = &watched{r: stdin}
	} else {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		in.closers = append(in.closers, func() { file.Close() })
		info, err := file.Stat()
		if err == nil && info.IsDir() {
			err = fmt.Errorf("%s is a directory: name the files in it", name)
		}
		if err != nil {
			in.close()
			return nil, err
		}
		in.changed = schema.TimeOf(info.ModTime())
		in.disk = &watched{r: file}
	}
	in.content = in.disk
	in.Reader = bufio.NewReaderSize(in.disk, bufferSize)
	if err := in.unpack(); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

func (in *input) close() {
	for i := len(in.closers) - 1; i >= 0; i-- {
		in.closers[i]()
	}
}

// unpack puts one reader upon the other until the content is not packed.
func (in *input) unpack() error {
	for layer := 0; ; layer++ {
		head, _ := in.Peek(4)
		var (
			unpacked io.Reader
			packer   string
			err      error
		)
		switch {
		case bytes.HasPrefix(head, []byte{0x1f, 0x8b, 0x08}):
			packer = "gzip"
			unpacked, err = gzip.NewReader(in.Reader)
		case bytes.HasPrefix(head, []byte("BZh")):
			packer = "bzip2"
			unpacked = bzip2.NewReader(in.Reader)
		case isZstd(head):
			packer = "zstd"
			var d *zstd.Decoder
			// Concurrency 1 is without goroutines.
			d, err = zstd.NewReader(in.Reader, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
			if err == nil {
				unpacked = d
				in.closers = append(in.closers, d.Close)
			}
		default:
			return nil
		}
		if err != nil {
			return fmt.Errorf("unpack %s: it begins like %s, but %w", in.name, packer, in.reason(err))
		}
		if layer == maxLayers {
			return fmt.Errorf("unpack %s: packed more than %d times: unpack it first", in.name, maxLayers)
		}
		in.content = &watched{r: unpacked, packer: packer}
		in.Reader = bufio.NewReaderSize(in.content, bufferSize)
	}
}

// isZstd reports whether head begins a frame, or one that is to be skipped as
// pzstd writes it in front (RFC 8878 sections 3.1.1 and 3.1.2).
func isZstd(head []byte) bool {
	return len(head) >= 4 && (bytes.Equal(head[:4], []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		head[0]>>4 == 5 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18}))
}

// reason says what stands behind a read error. Readers above lose it: to some
// of them, packed data that ends early is just the end.
func (in *input) reason(err error) error {
	switch {
	case in.disk.err != nil:
		return in.disk.err
	case in.content.err != nil && in.content.packer != "":
		err = in.content.err
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("the %s data ends early", in.content.packer)
		}
		if errors.Is(err, zstd.ErrWindowSizeExceeded) {
			return fmt.Errorf("it was packed with a window above %d MiB (zstd --long): unpack it first", maxWindow>>20)
		}
		return fmt.Errorf("the %s data is damaged: %w", in.content.packer, err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("the file ends early")
	}
	return err
}

// damaged reports whether reading ended with anything but the end of the content.
func (in *input) damaged() bool { return in.content.err != nil || in.disk.err != nil }

// watched remembers the error that ended a stream, unless it is its proper end.
type watched struct {
	r      io.Reader
	packer string // that r undoes
	err    error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF && w.err == nil {
		w.err = err
	}
	return n, err
}

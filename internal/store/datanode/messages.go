package datanode

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Each request to a data node begins with the protocol's version and the operation.
const (
	version          = 0x1c
	opRead           = 81 // READ_BLOCK
	opFiles          = 87 // REQUEST_SHORT_CIRCUIT_FDS
	statusSuccess    = 0  // SUCCESS
	checksumNull     = 0  // CHECKSUM_NULL
	checksumCRC32    = 1
	checksumCRC32C   = 2
	formatVersion    = 1 // of a block's files: the only one
	requestBeginning = 3 // bytes before the message
)

// isRequest is whether a message begins like a request, and not like the begin of SASL.
func isRequest(p []byte) bool { return len(p) > requestBeginning && p[0] == 0 && p[1] == version }

// blockKey names a block as it is between two appends.
type blockKey struct {
	pool           string
	id, generation uint64
}

// String is the name of the block's file.
func (k blockKey) String() string { return fmt.Sprintf("%s/blk_%d_%d", k.pool, k.id, k.generation) }

// readRequest is a request to read a block from offset to its end.
type readRequest struct {
	key    blockKey
	header []byte // BaseHeaderProto: block and token
	size   int64  // of the block, as the name node knows it
	offset int64
}

// parseRead reads a request. It is false for other requests, and for what it does not
// understand.
func parseRead(p []byte) (r readRequest, ok bool) {
	if !isRequest(p) || p[2] != opRead {
		return r, false
	}
	message, n := protowire.ConsumeBytes(p[requestBeginning:])
	if n != len(p)-requestBeginning {
		return r, false
	}
	read, ok := parse(message) // OpReadBlockProto
	if !ok {
		return r, false
	}
	header, ok := parse(read.bytes[1]) // ClientOperationHeaderProto
	if !ok {
		return r, false
	}
	base, ok := parse(header.bytes[1]) // BaseHeaderProto
	if !ok {
		return r, false
	}
	block, ok := parse(base.bytes[1]) // ExtendedBlockProto
	if !ok {
		return r, false
	}
	r = readRequest{
		key:    blockKey{string(block.bytes[1]), block.numbers[2], block.numbers[3]},
		header: header.bytes[1], size: int64(block.numbers[4]), offset: int64(read.numbers[2]),
	}
	return r, r.key.pool != "" && 0 <= r.offset && r.offset < r.size && int64(read.numbers[3]) == r.size-r.offset
}

// fields are the fields of a message, by their numbers.
type fields struct {
	bytes   map[protowire.Number][]byte
	numbers map[protowire.Number]uint64
}

func parse(message []byte) (fields, bool) {
	f := fields{map[protowire.Number][]byte{}, map[protowire.Number]uint64{}}
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return f, false
		}
		message = message[n:]
		switch kind {
		case protowire.VarintType:
			f.numbers[number], n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			f.bytes[number], n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return f, false
		}
		message = message[n:]
	}
	return f, true
}

func appendBytes(to []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(to, number, protowire.BytesType), value)
}

func appendNumber(to []byte, number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(to, number, protowire.VarintType), value)
}

// filesRequest asks for the files of a block.
func filesRequest(header []byte) []byte {
	message := appendBytes(nil, 1, header)            // OpRequestShortCircuitAccessProto
	message = appendNumber(message, 2, formatVersion) // maxVersion
	return protowire.AppendBytes([]byte{0, version, opFiles}, message)
}

// readAnswer is the answer to a request to read: success, and data from offset that needs no
// checksums any more. size is that of the chunks which packets have as a whole.
func readAnswer(offset, size int64) []byte {
	checksum := appendNumber(appendNumber(nil, 1, checksumNull), 2, uint64(size))                // ChecksumProto
	info := appendNumber(appendBytes(nil, 1, checksum), 2, uint64(offset))                       // ReadOpChecksumInfoProto
	return protowire.AppendBytes(nil, appendBytes(appendNumber(nil, 1, statusSuccess), 4, info)) // BlockOpResponseProto
}

// chunk is the size of chunks where there are no checksums.
const chunk = 512

// packetBegin is what stands before the data of a packet.
func packetBegin(offset int64, size int32) []byte {
	header := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), uint64(offset)) // PacketHeaderProto
	header = protowire.AppendFixed64(protowire.AppendTag(header, 2, protowire.Fixed64Type), 0)            // the sequence's number: nobody looks
	header = appendNumber(header, 3, protowire.EncodeBool(size == 0))                                     // the last one is empty
	header = protowire.AppendFixed32(protowire.AppendTag(header, 4, protowire.Fixed32Type), uint32(size))
	begin := binary.BigEndian.AppendUint32(nil, uint32(size)+4) // the length counts itself
	begin = binary.BigEndian.AppendUint16(begin, uint16(len(header)))
	return append(begin, header...)
}

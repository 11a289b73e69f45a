/**
 * Frames written bit by bit after RFC 6455 §5.2, without the code under test: everything can be wrong in them.
 */

/** The parts of a frame; what is left out is as a well-behaved client writes it. */
export interface RawFrame {
  opcode: number;
  payload?: Uint8Array | string;
  final?: boolean;
  /** RSV1, RSV2 and RSV3 as the bits 0x40, 0x20 and 0x10. */
  reserved?: number;
  /** Four key bytes, or none for a frame without a mask. */
  mask?: readonly number[] | undefined;
  /** Which of the three length forms to write: 0 for 7 bits, 2 for 16 and 8 for 64. Default: the shortest. */
  lengthBytes?: 0 | 2 | 8;
  /** The length that the header declares. Default: the payload's. */
  declaredLength?: bigint | number;
}

const CLIENT_MASK: readonly number[] = [0x37, 0xfa, 0x21, 0x3d];

export function rawFrame(frame: RawFrame): Buffer {
  const { opcode, final = true, reserved = 0 } = frame;
  const mask = "mask" in frame ? frame.mask : CLIENT_MASK;
  const payload = Buffer.from(frame.payload ?? "");
  const declared = frame.declaredLength ?? payload.length;
  const lengthBytes = frame.lengthBytes ?? (declared < 126 ? 0 : declared < 65_536 ? 2 : 8);

  const header = [(final ? 0x80 : 0) | reserved | opcode];
  header.push((mask ? 0x80 : 0) | (lengthBytes === 0 ? Number(declared) : lengthBytes === 2 ? 126 : 127));
  if (lengthBytes === 2) {
    header.push((Number(declared) >> 8) & 0xff, Number(declared) & 0xff);
  } else if (lengthBytes === 8) {
    const length = BigInt(declared);
    for (let shift = 56n; shift >= 0n; shift -= 8n) header.push(Number((length >> shift) & 0xffn));
  }
  if (mask !== undefined) {
    header.push(...mask);
    for (let index = 0; index < payload.length; index++) payload[index]! ^= mask[index & 3]!;
  }
  return Buffer.concat([Buffer.from(header), payload]);
}

/** Frames one behind the other, as they are on the wire. */
export function rawFrames(...frames: RawFrame[]): Buffer {
  return Buffer.concat(frames.map(rawFrame));
}

/** The payload of a Close frame, any code. */
export function closePayload(code: number, reason: string | Uint8Array = ""): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
}

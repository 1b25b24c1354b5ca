/* Status codes: 0 is success, errors are negative, -15 is not in use. One list gives the enum, the
 * names and the texts; sdk/edgesdk/link/status.py is checked against it by a test. */
#ifndef EDGE_STATUS_H
#define EDGE_STATUS_H

/* EDGE_STATUS(name, value, text) */
#define EDGE_STATUS_LIST(EDGE_STATUS)                                                              \
  EDGE_STATUS(OK, 0, "ok")                                                                         \
  EDGE_STATUS(TRUNCATED, -1, "data ends before the structure it announces")                        \
  EDGE_STATUS(BAD_MAGIC, -2, "not an edge image")                                                  \
  EDGE_STATUS(BAD_VERSION, -3, "version not supported by this firmware")                           \
  EDGE_STATUS(BAD_CRC, -4, "checksum does not match")                                              \
  EDGE_STATUS(BAD_LAYOUT, -5, "section, tensor or operator lies outside its bounds")               \
  EDGE_STATUS(BAD_OPERATOR, -6, "operator parameters are inconsistent")                            \
  EDGE_STATUS(NO_KERNEL, -7, "firmware was built without this operator")                           \
  EDGE_STATUS(NO_SECTION, -8, "image lacks a section that this needs")                             \
  EDGE_STATUS(NO_MEMORY, -9, "memory given is too small")                                          \
  EDGE_STATUS(BAD_ARGUMENT, -10, "argument out of range")                                          \
  EDGE_STATUS(BAD_STATE, -11, "not possible in this state")                                        \
  EDGE_STATUS(BAD_FRAME, -12, "link frame is malformed")                                           \
  EDGE_STATUS(TOO_LONG, -13, "link frame is longer than this side accepts")                        \
  EDGE_STATUS(BAD_MESSAGE, -14, "link message is unknown or has the wrong length")                 \
  EDGE_STATUS(FAULT, -16, "the processor took a fault")                                            \
  EDGE_STATUS(FOREIGN, -17, "made for the tokens of another model")                                \
  EDGE_STATUS(NO_PART, -18, "firmware was built without a part that this image needs")             \
  EDGE_STATUS(NPU_MISSING, -19, "image needs an NPU, which this device has not")                   \
  EDGE_STATUS(NPU_CONFIG, -20, "compiled for another NPU or configuration than this device has")   \
  EDGE_STATUS(NPU_STREAM, -21, "NPU command stream is damaged or has an unknown command")          \
  EDGE_STATUS(NPU_BOUNDS, -22, "NPU command stream leaves its memory")                             \
  EDGE_STATUS(NPU_TIMEOUT, -23, "NPU did not end a job or a reset in time")                        \
  EDGE_STATUS(NPU_BUS, -24, "NPU stopped with a bus error; it was reset")                          \
  EDGE_STATUS(NPU_PARSE, -25, "NPU could not read its command stream; it was reset")               \
  EDGE_STATUS(NPU_SECURITY, -26, "NPU runs at another security or privilege level than asked for") \
  EDGE_STATUS(NPU_FAULT, -27, "NPU stopped early or with an error of its own; it was reset")       \
  EDGE_STATUS(READ_ONLY, -28, "the model lies in flash, which the link cannot write")

typedef enum edge_status {
#define EDGE_STATUS_ENUM(name, value, text) EDGE_##name = (value),
  EDGE_STATUS_LIST(EDGE_STATUS_ENUM)
#undef EDGE_STATUS_ENUM
} edge_status_t;

/* Text of a status, for people; a pointer to read-only memory. */
const char *edge_status_text(edge_status_t status);

#endif

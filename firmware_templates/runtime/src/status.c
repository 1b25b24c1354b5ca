/* Texts of the status codes. */
#include "edge/status.h"

const char *edge_status_text(edge_status_t status) {
  switch (status) {
#define EDGE_STATUS_TEXT(name, value, text)                                                        \
  case EDGE_##name:                                                                                \
    return text;
    EDGE_STATUS_LIST(EDGE_STATUS_TEXT)
#undef EDGE_STATUS_TEXT
  }
  return "unknown status";
}

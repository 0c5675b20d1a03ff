#pragma once
#include <hdf5.h>

// Swift imports neither macros that expand to an expression with a side effect (every H5T_*, H5P_* and H5F_ACC_* name
// first calls H5open()) nor macros with a cast. Each function below gives one of those values; nothing else is here.

static inline hid_t CHDF5_propertiesFileAccess(void) { return H5P_FILE_ACCESS; }
static inline hid_t CHDF5_propertiesFileCreate(void) { return H5P_FILE_CREATE; }
static inline hid_t CHDF5_propertiesGroupCreate(void) { return H5P_GROUP_CREATE; }
static inline hid_t CHDF5_propertiesLinkCreate(void) { return H5P_LINK_CREATE; }
static inline hid_t CHDF5_propertiesDatasetCreate(void) { return H5P_DATASET_CREATE; }

static inline unsigned CHDF5_openReadOnly(void) { return H5F_ACC_RDONLY; }
static inline unsigned CHDF5_createExclusive(void) { return H5F_ACC_EXCL; }
static inline unsigned CHDF5_createReplacing(void) { return H5F_ACC_TRUNC; }

static inline hid_t CHDF5_typeUInt8(void) { return H5T_STD_U8LE; }
static inline hid_t CHDF5_typeInt32(void) { return H5T_STD_I32LE; }
static inline hid_t CHDF5_typeInt64(void) { return H5T_STD_I64LE; }
static inline hid_t CHDF5_typeUInt64(void) { return H5T_STD_U64LE; }
static inline hid_t CHDF5_typeFloat(void) { return H5T_IEEE_F32LE; }
static inline hid_t CHDF5_typeDouble(void) { return H5T_IEEE_F64LE; }
static inline hid_t CHDF5_typeInt32BigEndian(void) { return H5T_STD_I32BE; }
static inline hid_t CHDF5_typeInt64BigEndian(void) { return H5T_STD_I64BE; }
static inline hid_t CHDF5_typeFloatBigEndian(void) { return H5T_IEEE_F32BE; }
static inline hid_t CHDF5_typeDoubleBigEndian(void) { return H5T_IEEE_F64BE; }
static inline hid_t CHDF5_typeCString(void) { return H5T_C_S1; }

// Macros with a cast.
static inline size_t CHDF5_variableLength(void) { return H5T_VARIABLE; }
static inline haddr_t CHDF5_undefinedAddress(void) { return HADDR_UNDEF; }
static inline unsigned CHDF5_allObjects(void) { return H5F_OBJ_ALL; }
static inline unsigned CHDF5_ownObjects(void) { return H5F_OBJ_ALL | H5F_OBJ_LOCAL; }
static inline hid_t CHDF5_allFiles(void) { return (hid_t)H5F_OBJ_ALL; }

// An alias of an enumerator, different in every release.
static inline H5F_libver_t CHDF5_newestFormat(void) { return H5F_LIBVER_LATEST; }

// H5Lget_info and H5L_info_t change meaning with the API version that the headers select; the link's type does not.
static inline int CHDF5_linkType(hid_t location, const char *path) {
    H5L_info_t info;
    return H5Lget_info(location, path, &info, H5P_DEFAULT) < 0 ? -1 : (int)info.type;
}

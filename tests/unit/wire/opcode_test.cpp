// SPDX-License-Identifier: Apache-2.0
#include "transport/wire/opcode.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

namespace qnet::wire {
namespace {

/// From this number on a row never leaves the node.
constexpr unsigned kFirstAgentNumber = 200;

TEST(OpcodeTest, NumbersAndNamesAreUnique) {
  std::set<unsigned> numbers;
  std::set<std::string> names;
#define QNET_OPERATION(number, Name, where)                          \
  EXPECT_TRUE(numbers.insert(number).second) << number << " " #Name; \
  EXPECT_TRUE(names.insert(#Name).second) << #Name;
#include "transport/wire/operations.def"
#undef QNET_OPERATION
  EXPECT_FALSE(numbers.contains(0)) << "0 is no operation";
}

TEST(OpcodeTest, NumbersNeverChange) {
  const std::map<unsigned, std::string> released = {{1, "Open"},
                                                    {2, "Close"},
                                                    {3, "Read"},
                                                    {4, "Write"},
                                                    {5, "Seek"},
                                                    {6, "Sync"},
                                                    {7, "Allocate"},
                                                    {8, "Advise"},
                                                    {9, "LockWhole"},
                                                    {10, "LockRange"},
                                                    {11, "ReleaseLocks"},
                                                    {12, "GetFlags"},
                                                    {13, "SetFlags"},
                                                    {14, "ReadDirectory"},
                                                    {15, "GetAttributes"},
                                                    {16, "CheckAccess"},
                                                    {17, "ReadLink"},
                                                    {18, "ResolvePath"},
                                                    {19, "MakeDirectory"},
                                                    {20, "MakeNode"},
                                                    {21, "MakeSymlink"},
                                                    {22, "Link"},
                                                    {23, "Unlink"},
                                                    {24, "Rename"},
                                                    {25, "ChangeMode"},
                                                    {26, "ChangeOwner"},
                                                    {27, "ChangeTimes"},
                                                    {28, "Truncate"},
                                                    {29, "GetFileSystem"},
                                                    {30, "GetPathLimit"},
                                                    {31, "Poll"},
                                                    {32, "GetXattr"},
                                                    {33, "SetXattr"},
                                                    {34, "ListXattr"},
                                                    {35, "RemoveXattr"},
                                                    {200, "Cancel"},
                                                    {201, "AdoptHandle"},
                                                    {202, "EnterDirectory"},
                                                    {203, "ListNodes"},
                                                    {204, "GetStatistics"},
                                                    {205, "GetKernelDescriptor"},
                                                    {206, "ListLinks"},
                                                    {207, "NextEvents"}};
  for (const auto& [number, name] : released) {
    EXPECT_EQ(name_of(static_cast<Opcode>(number)), name) << number;
  }
}

TEST(OpcodeTest, WhereAndNumberAgree) {
#define QNET_OPERATION(number, Name, where)                                                            \
  EXPECT_EQ(where_executed(Opcode::k##Name) == Where::kAgent, (number) >= kFirstAgentNumber) << #Name; \
  EXPECT_TRUE(is_known(Opcode::k##Name)) << #Name;                                                     \
  EXPECT_EQ(name_of(Opcode::k##Name), #Name);
#include "transport/wire/operations.def"
#undef QNET_OPERATION
}

TEST(OpcodeTest, AnUnknownNumberBelongsToTheOwner) {
  const auto unknown = static_cast<Opcode>(9999);
  EXPECT_FALSE(is_known(unknown));
  EXPECT_EQ(where_executed(unknown), Where::kOwner);
  EXPECT_EQ(name_of(unknown), "unknown");
}

}  // namespace
}  // namespace qnet::wire

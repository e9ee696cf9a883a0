# SPDX-License-Identifier: Apache-2.0
"""The benchmarks of tests/bench: one module per kind of work, the programs they run beside them."""

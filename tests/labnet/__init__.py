# SPDX-License-Identifier: Apache-2.0
"""The lab: several nodes on one machine. tests/lab is the command; design in its --help."""

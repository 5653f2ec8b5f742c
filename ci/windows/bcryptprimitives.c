/*
 * bcryptprimitives.dll for a Wine that has none: the one function of it that Rust's standard library
 * takes its random numbers from.
 */
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size)
{
    /* RtlGenRandom counts in 32 bits. */
    const ULONG most = 1UL << 30;

    while (size > 0) {
        ULONG part = size < most ? (ULONG)size : most;
        if (!RtlGenRandom(data, part))
            return FALSE;
        data += part;
        size -= part;
    }
    return TRUE;
}

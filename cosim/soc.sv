// A system on chip in simulation: a RISC-V core (PicoRV32), its program, data, the processor, a console.
//
//   0x0000_0000  RAM, 64 KiB: +program=FILE, 32-bit words in hexadecimal
//   0x1000_0000  flash, 1 MiB: +flash=FILE, its content; only read
//   0x2000_0000  the processor, and its interrupt is line 3 of the core
//   0x3000_0000  console: a character is written to it
//   0x3000_0004  halt: the status with which the program ends is written to it
//   0x3000_0008  what stops the memory: while it is not 0, the memory does not answer the processor
//   0x4000_0000  the memory behind the processor's memory bus, if there is one: for the bus, its address 0
//
// firmware/example/link.ld says the same to the program. Any other access traps, as does an illegal instruction.
module soc (
    input  logic        clk,
    input  logic        rst,
    output logic        console_valid,   // for one cycle, and not in the cycle after it
    output logic [7:0]  console_character,
    output logic        halted,
    output logic        trapped,
    output logic [31:0] status           // while halted
);
    localparam int RAM_WORDS = 1 << 14, FLASH_WORDS = 1 << 18;

    logic [31:0] ram [RAM_WORDS];
    logic [31:0] flash [FLASH_WORDS];
    string file;

    initial begin
        if (!$value$plusargs("program=%s", file)) $fatal(1, "there is no +program=FILE");
        $readmemh(file, ram);
        if ($value$plusargs("flash=%s", file)) begin
            automatic int descriptor = $fopen(file, "rb");
            if (descriptor == 0) $fatal(1, "there is no file %s", file);
            void'($fread(flash, descriptor));
            $fclose(descriptor);
            // $fread fills a word from its highest byte on.
            for (int word = 0; word < FLASH_WORDS; word++) flash[word] = {<<8{flash[word]}};
        end
    end

    logic        valid, ready, core_trap;
    logic [31:0] address, wdata, rdata;
    logic [3:0]  wstrb;

    typedef enum logic [3:0] {RAM = 0, FLASH = 1, PROCESSOR = 2, CONSOLE = 3, MEMORY = 4} region_t;
    wire logic [3:0]  region = address[31:28];
    wire logic [25:0] word = address[27:2];
    wire logic        write = valid && wstrb != 0;

    wire logic [31:0] memory_rdata;
    wire logic        memory_there;
    logic             memory_stopped;

    // The processor's answer comes over AXI4-Lite, all others at once.
    wire logic        awvalid, awready, wvalid, wready, bvalid, bready, arvalid, arready, rvalid, rready;
    wire logic [31:0] awaddr, araddr, axi_wdata, axi_rdata;
    wire logic [3:0]  axi_wstrb;
    wire logic [2:0]  awprot, arprot;
    wire logic        axi_ready, interrupt;
    wire logic [31:0] axi_answer;
    logic             legal;

    always_comb
        case (region)
            RAM: {legal, rdata} = {word < RAM_WORDS, ram[word[13:0]]};
            FLASH: {legal, rdata} = {word < FLASH_WORDS && !write, flash[word[17:0]]};
            PROCESSOR: {legal, rdata} = {1'b1, axi_answer};
            CONSOLE: {legal, rdata} = {word < 3 && write, 32'b0};
            MEMORY: {legal, rdata} = {memory_there, memory_rdata};
            default: {legal, rdata} = 0;
        endcase
    assign ready = region == PROCESSOR ? axi_ready : 1;

    always_ff @(posedge clk) begin
        if (region == RAM && word < RAM_WORDS)
            for (int lane = 0; lane < 4; lane++)
                if (write && wstrb[lane]) ram[word[13:0]][8*lane +: 8] <= wdata[8*lane +: 8];
        console_valid <= write && region == CONSOLE && word == 0;
        console_character <= wdata[7:0];
        if (write && region == CONSOLE && word == 1) {halted, status} <= {1'b1, wdata};
        if (write && region == CONSOLE && word == 2) memory_stopped <= wdata != 0;
        if (core_trap || (valid && !legal)) trapped <= 1;
        if (rst) {halted, trapped, memory_stopped} <= 0;
    end

    picorv32 #(
        .ENABLE_FAST_MUL(1), .ENABLE_DIV(1), .BARREL_SHIFTER(1),
        // Our interrupt is a level, and is waited for rather than handled.
        .ENABLE_IRQ(1), .ENABLE_IRQ_QREGS(0), .ENABLE_IRQ_TIMER(0), .LATCHED_IRQ(0)
    ) core (
        .clk, .resetn(!rst && !halted), .trap(core_trap),
        .mem_valid(valid), .mem_ready(ready), .mem_addr(address), .mem_wdata(wdata), .mem_wstrb(wstrb),
        .mem_rdata(rdata), .mem_instr(), .irq({28'b0, interrupt, 3'b0}), .eoi(),
        .mem_la_read(), .mem_la_write(), .mem_la_addr(), .mem_la_wdata(), .mem_la_wstrb(),
        .pcpi_valid(), .pcpi_insn(), .pcpi_rs1(), .pcpi_rs2(), .pcpi_wr(0), .pcpi_rd(0), .pcpi_wait(0), .pcpi_ready(0),
        .trace_valid(), .trace_data()
    );

    picorv32_axi_adapter bridge (
        .clk, .resetn(!rst),
        .mem_valid(valid && region == PROCESSOR), .mem_instr(0), .mem_ready(axi_ready), .mem_addr(address),
        .mem_wdata(wdata), .mem_wstrb(wstrb), .mem_rdata(axi_answer),
        .mem_axi_awvalid(awvalid), .mem_axi_awready(awready), .mem_axi_awaddr(awaddr), .mem_axi_awprot(awprot),
        .mem_axi_wvalid(wvalid), .mem_axi_wready(wready), .mem_axi_wdata(axi_wdata), .mem_axi_wstrb(axi_wstrb),
        .mem_axi_bvalid(bvalid), .mem_axi_bready(bready),
        .mem_axi_arvalid(arvalid), .mem_axi_arready(arready), .mem_axi_araddr(araddr), .mem_axi_arprot(arprot),
        .mem_axi_rvalid(rvalid), .mem_axi_rready(rready), .mem_axi_rdata(axi_rdata)
    );

    // An access that it refuses, it reports itself: the bridge does not look at responses.
`ifdef WITH_MEMORY
    system processor (
        .stopped(memory_stopped), .word_address({4'b0, address[27:0]}), .word_wdata(wdata),
        .word_wstrb(write && region == MEMORY ? wstrb : 4'b0), .word_rdata(memory_rdata), .word_there(memory_there),
`else
    assign {memory_there, memory_rdata} = 0;
    system processor (
`endif
        .clk, .rst, .interrupt,
        .s_axil_awaddr(awaddr[13:0]), .s_axil_awprot(awprot), .s_axil_awvalid(awvalid), .s_axil_awready(awready),
        .s_axil_wdata(axi_wdata), .s_axil_wstrb(axi_wstrb), .s_axil_wvalid(wvalid), .s_axil_wready(wready),
        .s_axil_bresp(), .s_axil_bvalid(bvalid), .s_axil_bready(bready),
        .s_axil_araddr(araddr[13:0]), .s_axil_arprot(arprot), .s_axil_arvalid(arvalid), .s_axil_arready(arready),
        .s_axil_rdata(axi_rdata), .s_axil_rresp(), .s_axil_rvalid(rvalid), .s_axil_rready(rready),
        .busy(), .trace_valid(), .trace_layer(), .trace_timestep(), .trace_address(), .trace_word()
    );
endmodule
